//! A full disk below each volume in the middle of an experiment: what stands still says why, and
//! with room again the results are those of an undisturbed one.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use groklab_tests::wait::until;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{
    disturbed::{
        Disturbed, each_rollout_has_one_verdict, patient, run_undisturbed, wait_until_begun,
    },
    engine::{docker, engine_if_asked_for, log, output},
    files::composes,
    installation::Installation,
};

const NO_SPACE: &str = "No space left on device";

/// A small disk of this machine in place of a volume of Docker's. It stays as it is when the
/// containers that use it end.
struct Disk {
    volume: &'static str,
    folder: TempDir,
}

impl Disk {
    fn mount(volume: &'static str, size: &str) -> Self {
        let folder = groklab_tests::folder();
        // The containers' user; Postgres' image takes what it needs.
        let options = format!("size={size},mode=0755,uid=10001,gid=10001");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]);
        output(mount.arg(folder.path())).unwrap();
        Self { volume, folder }
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        let full = io::copy(&mut io::repeat(0), &mut filler).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What still uses it keeps it until then.
        let _ = output(Command::new("umount").arg("--lazy").arg(self.folder.path()));
    }
}

/// The installation with these disks in place of its volumes.
fn on_disks(box_one: Installation, disks: &[&Disk]) -> Installation {
    let mut volumes = Map::new();
    for disk in disks {
        let options = json!({"type": "none", "o": "bind", "device": disk.folder.path()});
        let volume = json!({"driver": "local", "driver_opts": options});
        volumes.insert(disk.volume.to_owned(), volume);
    }
    // JSON is YAML too.
    let file = json!({"volumes": Value::Object(volumes)}).to_string();
    fs::write(box_one.deploy().join("compose.disks.yaml"), file).unwrap();
    box_one.with("COMPOSE_FILE", "compose.yaml:compose.disks.yaml")
}

#[test]
fn a_full_disk_of_the_database_holds_an_experiment_up_and_loses_nothing() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let disk = Disk::mount("pgdata", "256m");
    let box_one = on_disks(patient("full-database"), &[&disk]);
    box_one.up(&[]);
    run_undisturbed(&box_one);
    let disturbed = Disturbed::begin(&box_one);
    disturbed.wait_until_begun("verify");
    disk.fill();

    // Not at once: Postgres may have room left within its own files.
    let mut tries = 0;
    until(
        "a submission to be refused",
        Duration::from_secs(90),
        || {
            tries += 1;
            let file = box_one.busy_experiment(&format!("refused-{tries}"));
            let code = box_one.grokctl(&["submit", &file]).status.code();
            (code == Some(4)).then_some(())
        },
    );
    // Without room for its write-ahead log Postgres ends, and then it alone can say why.
    until("a log to name the disk", Duration::from_secs(90), || {
        let coordinator = log(&box_one.containers("coordinator")[0]);
        let postgres = log(&box_one.containers("postgres")[0]);
        let named = coordinator.contains("the database's disk is full");
        (named || postgres.contains(NO_SPACE)).then_some(())
    });
    // Where its state cannot be asked for, nobody can store that it has ended either.
    assert!(!disturbed.has_ended());

    disk.make_room();
    disturbed.has_same_results();
}

#[test]
fn a_full_disk_of_the_artifacts_pauses_an_experiment_and_loses_nothing() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let disk = Disk::mount("artifacts", "64m");
    // With the usual number of attempts: after the last the experiment is paused.
    let box_one = on_disks(Installation::new("full-artifacts", composes()[0]), &[&disk]);
    box_one.up(&[]);
    box_one.wait_until_healthy();
    // Without room for the training set, and with room for it and none for the adapter.
    for (seed, kind) in [(1, "generate"), (2, "train")] {
        let disturbed = format!("full-from-{kind}");
        box_one.grokctl_ok(&["submit", &box_one.seeded_experiment(&disturbed, seed)]);
        wait_until_begun(&box_one, &disturbed, kind, 0);
        disk.fill();
        until("it to be paused", Duration::from_secs(240), || {
            (box_one.state(&disturbed).unwrap() == "paused").then_some(())
        });
        let reason = format!("select reason from experiment where name = '{disturbed}'");
        let reason = box_one.sql(&reason);
        assert!(
            reason.contains("store artifact") && reason.contains(NO_SPACE),
            "{reason}"
        );
        let failed = failed_trainings(&box_one, &disturbed);
        assert_eq!(failed > 0, kind == "train", "{failed}");

        disk.make_room();
        box_one.grokctl_ok(&["resume", &disturbed]);
        let results = box_one.results(&disturbed);
        assert!(results.adapters.contains_key("iter_2"), "{results:?}");
        let undisturbed = format!("undisturbed-{seed}");
        box_one.grokctl_ok(&["submit", &box_one.seeded_experiment(&undisturbed, seed)]);
        assert_eq!(results, box_one.results(&undisturbed));
        each_rollout_has_one_verdict(&box_one);
    }
}

/// How many attempts to train have failed.
fn failed_trainings(box_one: &Installation, experiment: &str) -> usize {
    let failed = format!(
        "select count(*) from attempt join job using (job_id) \
         join experiment using (experiment_id) where name = '{experiment}' \
         and kind = 'train' and outcome = 'failed'"
    );
    box_one.sql(&failed).parse().unwrap()
}

#[test]
fn full_caches_of_workers_hold_nothing_up() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    let caches = [
        ("worker-gen", Disk::mount("cache-gen", "16m")),
        ("worker-train", Disk::mount("cache-train", "16m")),
    ];
    let disks = [&caches[0].1, &caches[1].1];
    let box_one = on_disks(patient("full-caches"), &disks);
    box_one.up(&[]);
    box_one.wait_until_healthy();
    box_one.grokctl_ok(&["submit", &box_one.busy_experiment("full")]);
    wait_until_begun(&box_one, "full", "generate", 0);
    for (_, disk) in &caches {
        disk.fill();
    }
    let results = box_one.results("full");
    assert!(results.adapters.contains_key("iter_2"), "{results:?}");
    for (service, disk) in &caches {
        let log = log(&box_one.containers(service)[0]);
        assert!(
            log.contains("keep an artifact") && log.contains(NO_SPACE),
            "{service}: {log}"
        );
        disk.make_room();
        assert_eq!(artifacts(disk), 0, "{service}");
    }

    // They fetched everything, and with room they keep it.
    assert_eq!(run_undisturbed(&box_one), results);
    for (service, disk) in &caches {
        assert!(artifacts(disk) > 0, "{service}");
    }
    each_rollout_has_one_verdict(&box_one);
}

/// How many artifacts a cache holds, those half-written counted in.
fn artifacts(cache: &Disk) -> usize {
    fs::read_dir(cache.folder.path()).unwrap().count()
}

#[test]
fn a_full_scratch_folder_of_a_verification_worker_changes_no_verdict() {
    let Some(_alone) = engine_if_asked_for() else {
        return;
    };
    // Many a winner gets a jail of its own too, which is made while there is no room.
    let box_one = patient("full-scratch").with("GROKLAB_REVERIFY_SHARE", "0.1");
    box_one.up(&[]);
    run_undisturbed(&box_one);
    let disturbed = Disturbed::begin(&box_one);
    disturbed.wait_until_begun("generate");
    let verifier: &str = &box_one.containers("worker-verify")[0];
    let in_worker = |script| ["exec", verifier, "sh", "-euc", script];
    let fill = in_worker("cat /dev/zero > /tmp/filler");
    let said = output(Command::new("docker").args(fill)).unwrap_err();
    assert!(said.contains(NO_SPACE), "{said}");

    // Candidates have scratch folders of their own, so it goes on.
    disturbed.has_same_results();
    docker(&in_worker("rm /tmp/filler"));
}
