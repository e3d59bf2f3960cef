//! From one tag of the images to the next in the middle of an experiment, the coordinator first.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use groklab_tests::wait::until;
use serde_json::Value;

use crate::{
    disturbed::{each_rollout_has_one_verdict, patient, run_undisturbed, wait_until_begun},
    engine::{docker, engine_if_asked_for, output},
    images::IMAGES,
    installation::Installation,
};

const NEW_VERSION: &str = "0.1.0";
const OLD_VERSION: &str = "0.0.0";
/// Turns the one into the other within programs: compilers keep a short text as a number of four
/// bytes in an instruction, so no more than four can be looked for.
const RENAME: &str = r"s/0\.1\./0.0./g";
const OLD_TAG: &str = "test-old";

/// Images of the same programs that call themselves older.
fn make_old_images() {
    assert_eq!(
        NEW_VERSION,
        env!("CARGO_PKG_VERSION"),
        "then RENAME as well"
    );
    let folder = groklab_tests::folder();
    for image in IMAGES {
        let file = format!(
            "FROM groklab/{image}:test\nUSER root\n\
             RUN LC_ALL=C sed -i '{RENAME}' /opt/groklab/bin/*\nUSER 10001:10001\n"
        );
        fs::write(folder.path().join("Dockerfile"), file).unwrap();
        let tag = format!("groklab/{image}:{OLD_TAG}");
        let build = ["build", "--quiet", "--network", "none", "--tag", &tag];
        output(Command::new("docker").args(build).arg(folder.path())).unwrap();
    }
}

/// The versions of the workers that are there.
fn versions(box_one: &Installation) -> BTreeSet<String> {
    let listed = box_one.grokctl_ok(&["--json", "workers"]);
    let workers = listed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    workers
        .filter(|worker| worker["alive"] == true)
        .map(|worker| worker["version"].as_str().unwrap().to_owned())
        .collect()
}

fn wait_for_versions(box_one: &Installation, wanted: &[&str]) {
    let wanted = wanted.iter().map(|&version| version.to_owned()).collect();
    let what = format!("workers of {wanted:?} alone");
    until(&what, Duration::from_secs(240), || {
        (versions(box_one) == wanted).then_some(())
    });
}

#[test]
fn an_upgrade_in_the_middle_of_an_experiment_changes_no_result() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    make_old_images();
    let old = patient("upgrade").with("GROKLAB_TAG", OLD_TAG);
    old.up(&[]);
    let undisturbed = run_undisturbed(&old);
    assert_eq!(versions(&old), BTreeSet::from([OLD_VERSION.to_owned()]));

    let file = old.busy_experiment("upgraded");
    old.grokctl_ok(&["submit", &file]);
    wait_until_begun(&old, "upgraded", "verify", 0);
    assert_eq!(
        image_of(&old, "coordinator"),
        format!("groklab/coordinator:{OLD_TAG}")
    );
    let new = old.with("GROKLAB_TAG", "test");
    new.up(&["coordinator"]);
    assert_eq!(image_of(&new, "coordinator"), "groklab/coordinator:test");
    // The workers of before go on with it, and one kind after the other is replaced.
    wait_for_versions(&new, &[OLD_VERSION]);
    wait_until_begun(&new, "upgraded", "train", 0);
    new.up(&["worker-verify"]);
    wait_for_versions(&new, &[OLD_VERSION, NEW_VERSION]);
    assert_eq!(
        new.state("upgraded").unwrap(),
        "running",
        "it is in the middle"
    );
    new.up(&[]);
    wait_for_versions(&new, &[NEW_VERSION]);
    assert_eq!(new.results("upgraded"), undisturbed);
    each_rollout_has_one_verdict(&new);
    drop(new);
    for image in IMAGES {
        docker(&["image", "rm", &format!("groklab/{image}:{OLD_TAG}")]);
    }
}

fn image_of(box_one: &Installation, service: &str) -> String {
    let container = &box_one.containers(service)[0];
    let image = docker(&["inspect", "-f", "{{.Config.Image}}", container]);
    image.trim().to_owned()
}
