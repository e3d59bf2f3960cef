//! An installation from its first `up` to its last `down`.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant},
};

use groklab_tests::{admin::lint, files::Results};

use crate::{
    engine::{docker, engine, engine_if_asked_for},
    files::composes,
    installation::{CALLER, Installation},
};

/// What a container may take to end by itself; Docker kills it after its own, longer time.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

#[test]
fn an_installation_runs_scales_stops_and_comes_back() {
    let Some(_alone) = engine() else {
        return;
    };
    let box_one = Installation::new("life", composes()[0]);
    box_one.up(&[]);
    box_one.wait_until_healthy();
    assert_eq!(exit_code(&box_one.containers("init")[0]), "0");

    // The first experiment, unscaled.
    let file = box_one.experiment("first", 1, "rft");
    box_one.grokctl_ok(&["submit", &file, "--watch"]);
    box_one.grokctl_ok(&["export", "first", "--out", "results"]);
    belongs_to_the_caller(&box_one.home().join("results"));
    let first = Results::of(&box_one.home().join("results"));
    assert!(
        !first.rollouts.is_empty() && first.adapters.contains_key("iter_1"),
        "{first:?}"
    );

    every_service_is_measured(&box_one);
    models_elsewhere_are_refused(&box_one);
    scaled(&box_one);
    comes_back(&box_one, &first);
    ends_in_order(&box_one);
}

/// One, four, one verification workers in the middle of an experiment.
fn scaled(box_one: &Installation) {
    let long = |name| {
        let file = box_one.busy_experiment(name);
        let path = box_one.home().join(&file);
        let text = fs::read_to_string(&path).unwrap();
        // Starting and ending workers takes a while on a busy machine.
        fs::write(path, text.replace("iterations = 2", "iterations = 4")).unwrap();
        file
    };
    box_one.grokctl_ok(&["submit", &long("unscaled"), "--watch"]);
    box_one.grokctl_ok(&["submit", &long("scaled")]);
    box_one.up(&["--scale", "worker-verify=4"]);
    box_one.wait_for_workers("verify", 4);
    assert_eq!(
        box_one.state("scaled").unwrap(),
        "running",
        "it ended too early"
    );
    let started = Instant::now();
    box_one.up(&["--scale", "worker-verify=1"]);
    assert!(
        started.elapsed() < Duration::from_secs(40),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(box_one.containers("worker-verify").len(), 1);
    assert_eq!(box_one.results("scaled"), box_one.results("unscaled"));
    // Jobs were given back, not lost.
    let warnings = box_one.grokctl_ok(&["logs", "scaled", "--level", "warn"]);
    assert!(!warnings.contains("lost"), "{warnings}");
}

/// `down` keeps the secrets and the data.
fn comes_back(box_one: &Installation, first: &Results) {
    let invitation = box_one.grokctl_ok(&["join", "--client"]);
    assert!(invitation.contains("GROKLAB_TOKEN="), "{invitation}");
    box_one.compose(&["down", "--timeout", "40"]);
    box_one.up(&[]);
    box_one.wait_until_healthy();
    assert_eq!(box_one.grokctl_ok(&["join", "--client"]), invitation);
    box_one.grokctl_ok(&["export", "first", "--out", "again"]);
    assert_eq!(Results::of(&box_one.home().join("again")), *first);
}

fn every_service_is_measured(box_one: &Installation) {
    for (service, worked) in [
        (
            "coordinator",
            "groklab_job_attempts_total{kind=\"train\",outcome=\"done\"}",
        ),
        (
            "worker-verify",
            "groklab_verify_candidates_total{verdict=\"passed\"}",
        ),
        (
            "worker-gen",
            "groklab_generate_tokens_total{type=\"completion\"}",
        ),
        ("worker-train", "groklab_train_steps_total"),
    ] {
        let admin = box_one.admin(service);
        assert!(admin.metric(worked).unwrap_or(0.0) > 0.0, "{service}");
        let (status, metrics) = admin.get("/metrics").unwrap();
        assert_eq!(status, 200, "{service}");
        lint(service, &metrics);
    }
}

fn models_elsewhere_are_refused(box_one: &Installation) {
    let file = box_one.experiment("stray", 0, "none");
    let path = box_one.home().join(&file);
    fs::write(box_one.home().join("m.gguf"), "x").unwrap();
    let mut stray = String::new();
    for line in fs::read_to_string(&path).unwrap().lines() {
        let is_source = line.starts_with("source = ");
        stray.push_str(if is_source {
            "source = \"m.gguf\""
        } else {
            line
        });
        stray.push('\n');
    }
    fs::write(&path, stray).unwrap();
    let refused = box_one.grokctl(&["submit", &file]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("put the model there"), "{said}");
}

/// Everybody is asked to end, does so by itself and in time.
fn ends_in_order(box_one: &Installation) {
    for service in [
        "worker-verify",
        "worker-gen",
        "worker-train",
        "coordinator",
        "postgres",
    ] {
        for id in box_one.containers(service) {
            let started = Instant::now();
            docker(&["stop", "--time", "60", &id]);
            assert!(
                started.elapsed() < ENDS_WITHIN,
                "{service}: {:?}",
                started.elapsed()
            );
            assert_eq!(exit_code(&id), "0", "{service}: {}", box_one.logs());
        }
    }
}

fn exit_code(container: &str) -> String {
    let code = docker(&["inspect", "-f", "{{.State.ExitCode}}", container]);
    code.trim().to_owned()
}

fn belongs_to_the_caller(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    assert_eq!(
        (metadata.uid(), metadata.gid()),
        (CALLER, CALLER),
        "{}",
        path.display()
    );
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            belongs_to_the_caller(&entry.unwrap().path());
        }
    }
}

#[test]
fn a_backup_is_restored_and_another_box_joins() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let compose = composes()[0];
    let box_one = Installation::new("kept", compose);
    box_one.up(&[]);
    box_one.wait_until_healthy();
    let file = box_one.experiment("kept", 1, "rft");
    box_one.grokctl_ok(&["submit", &file, "--watch"]);
    box_one.grokctl_ok(&["export", "kept", "--out", "before"]);
    let before = Results::of(&box_one.home().join("before"));
    let backup = box_one.home().join("backup");
    let backup = backup.to_str().unwrap();
    box_one.script("backup.sh", &[backup]).unwrap();
    box_one.compose(&["down", "--volumes", "--timeout", "20"]);
    box_one.script("restore.sh", &[backup]).unwrap();
    // What is there is never written over.
    box_one.script("restore.sh", &[backup]).unwrap_err();

    // From here on others may reach it.
    let box_one = box_one.published_to_others();
    box_one.up(&[]);
    box_one.wait_until_healthy();
    box_one.grokctl_ok(&["export", "kept", "--out", "after"]);
    assert_eq!(Results::of(&box_one.home().join("after")), before);

    let box_two = Installation::new("joined", compose).with("COMPOSE_FILE", "compose.worker.yaml");
    let invitation = box_one.grokctl_ok(&["join"]);
    fs::write(box_two.deploy().join("worker.env"), invitation).unwrap();
    box_two.up(&["--scale", "worker-verify=2"]);
    box_one.wait_for_workers("verify", 1 + 2);
    box_one.wait_for_workers("generate", 2);
    box_one.wait_for_workers("train", 2);
}

#[test]
fn the_other_compose_brings_it_up_too() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let composes = composes();
    let Some(other) = composes.get(1) else {
        println!("only {} is here", composes[0]);
        return;
    };
    let box_one = Installation::new("other", other);
    box_one.up(&[]);
    box_one.wait_until_healthy();
    box_one.grokctl_ok(&["list"]);
}

#[test]
fn settings_of_ones_own_are_never_passed_over() {
    let Some(_alone) = engine() else {
        return;
    };
    let compose = composes()[0];
    let box_one = Installation::new("settings", compose);
    let local = box_one.deploy().join(".env.local");
    fs::write(&local, "# mine\nVERIFY_MEMORY=3g\n").unwrap();
    let config = box_one.compose(&["config"]);
    assert!(
        config.contains("3221225472") || config.contains("3g"),
        "{config}"
    );
    // Without the wrapper they are not read, and nothing comes up.
    let plain = box_one.try_plain_compose(&["run", "--rm", "--no-deps", "-T", "init"]);
    let said = plain.unwrap_err();
    assert!(said.contains("call ./compose in its place"), "{said}");
    fs::write(&local, "VERIFY MEMORY 3g\n").unwrap();
    let said = box_one.try_compose(&["config"]).unwrap_err();
    assert!(said.contains("is not NAME=VALUE"), "{said}");
    fs::remove_file(&local).unwrap();
}
