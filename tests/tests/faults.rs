//! A full disk, a database that is away, damaged artifacts: each heals or ends in a clear state, and what was there before stays.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use groklab_tests::files::{Results, experiment};
use groklab_tests::{Stack, database, wait::until};
use nix::sys::signal::Signal;

const GENERATE: usize = 1;
const TRAIN: usize = 2;

/// A stack on which the experiment `alone` has run, and its results.
fn after_one_run() -> (Stack, Results) {
    let stack = Stack::full();
    stack.submit(&experiment("alone", 1, "rft"));
    stack.grokctl_ok(&["watch", "alone"]);
    let alone = Results::of(&stack.export("alone"));
    (stack, alone)
}

/// The file below `folder` whose name has the digest's digits.
fn blob(folder: &Path, digest: &str) -> Option<PathBuf> {
    let digits = digest.trim_start_matches("sha256:");
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().replace('/', "").ends_with(digits) {
                return Some(path);
            }
        }
    }
    None
}

fn flip_a_byte(path: &Path) -> Vec<u8> {
    let whole = fs::read(path).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(path, damaged).unwrap();
    whole
}

#[test]
fn a_damaged_artifact_is_never_used() {
    // An adapter that no worker has fetched yet: the generator stands still from before training on.
    let stack = Stack::full();
    let file = |name: &str| experiment(name, 1, "rft").replace("epochs = 4", "epochs = 40");
    stack.workers[TRAIN].signal(Signal::SIGSTOP);
    stack.submit(&file("damaged"));
    until("training to be due", Duration::from_secs(120), || {
        (stack.one(
            "damaged",
            "select count(*) from job where EXPERIMENT and kind = 'train'",
        ) == "1")
            .then_some(())
    });
    stack.workers[GENERATE].signal(Signal::SIGSTOP);
    stack.workers[TRAIN].signal(Signal::SIGCONT);
    let digest = until("the adapter", Duration::from_secs(120), || {
        stack
            .of(
                "damaged",
                "select weights_digest from adapter where EXPERIMENT",
            )?
            .first()
            .cloned()
    });
    let path = blob(&stack.dir.path().join("data/artifacts"), &digest).unwrap();
    let whole = flip_a_byte(&path);
    stack.workers[GENERATE].signal(Signal::SIGCONT);
    until(
        &format!("the experiment to be paused: {}", stack.logs()),
        Duration::from_secs(120),
        || (stack.state("damaged") == "paused").then_some(()),
    );
    let reason = stack.one("damaged", "select reason from experiment where EXPERIMENT");
    assert!(
        reason.contains(&digest) && reason.contains("another digest"),
        "{reason}"
    );
    assert_eq!(
        stack.one(
            "damaged",
            "select count(*) from rollout where EXPERIMENT and iteration = 1"
        ),
        "0",
        "nothing was made with it"
    );

    fs::write(&path, whole).unwrap();
    stack.grokctl_ok(&["resume", "damaged"]);
    stack.grokctl_ok(&["watch", "damaged"]);
    stack.assert_accounts("damaged", 28 * 5 * 2 + 16 * 4);
    let results = Results::of(&stack.export("damaged"));

    // What a worker has kept may be damaged as well: it is fetched again.
    let kept = blob(&stack.dir.path().join("cache"), &digest).unwrap();
    flip_a_byte(&kept);
    stack.submit(&file("again"));
    stack.grokctl_ok(&["watch", "again"]);
    assert_eq!(Results::of(&stack.export("again")), results);
}

/// A small disk, taken away again also where the test fails.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // What still uses it keeps it until then.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_pauses_and_loses_nothing() {
    if !nix::unistd::geteuid().is_root() {
        groklab_tests::skip("only root may mount the small disk that this test fills");
        return;
    }
    let (stack, alone) = after_one_run();
    let before = stack.export("alone");
    let folder = stack.dir.path().join("data/artifacts");
    let aside = stack.dir.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::create_dir(&folder).unwrap();
    let mount = |args: &[&str]| {
        assert!(
            Command::new("mount")
                .args(args)
                .arg(&folder)
                .status()
                .unwrap()
                .success()
        )
    };
    mount(&["-t", "tmpfs", "-o", "size=16k", "tmpfs"]);
    let mounted = Mounted(folder.clone());
    stack.submit(
        &experiment("full", 1, "rft").replace("learning_rate = 5e-3", "learning_rate = 4e-3"),
    );
    until(
        &format!("the experiment to be paused: {}", stack.logs()),
        Duration::from_secs(180),
        || (stack.state("full") == "paused").then_some(()),
    );
    let reason = stack.one("full", "select reason from experiment where EXPERIMENT");
    assert!(reason.contains("No space left"), "{reason}");
    mount(&["-o", "remount,size=64m"]);
    stack.grokctl_ok(&["resume", "full"]);
    stack.grokctl_ok(&["watch", "full"]);
    stack.assert_accounts("full", 28 * 5 * 2 + 16 * 4);
    assert!(
        Results::of(&stack.export("full"))
            .adapters
            .contains_key("iter_1")
    );
    drop(mounted);
    fs::remove_dir(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    assert_eq!(
        Results::of(&before),
        alone,
        "earlier results are what they were"
    );
    assert_eq!(Results::of(&stack.export("alone")), alone);
}

#[test]
fn a_database_that_is_away_for_half_a_minute_changes_nothing() {
    let (mut stack, alone) = after_one_run();
    let socket = stack.dir.path().join("data/postgres/socket");
    let ask = |query: &str| database::ask(&socket, "postgres", query).unwrap();
    stack.submit(&experiment("away", 1, "rft"));
    until("it to be verified", Duration::from_secs(60), || {
        (stack.one("away", "select count(*) from attempt join job using (job_id) where EXPERIMENT and kind = 'verify'") != "0")
            .then_some(())
    });
    ask("alter database groklab allow_connections false");
    ask("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'groklab'");
    let refused = stack.grokctl(&["list"]);
    assert_eq!(
        refused.status.code(),
        Some(4),
        "{}",
        String::from_utf8_lossy(&refused.stderr)
    );
    // The outage itself is what takes the time.
    thread::sleep(Duration::from_secs(30));
    ask("alter database groklab allow_connections true");
    stack.grokctl_ok(&["watch", "away"]);
    stack.assert_accounts("away", 28 * 5 * 2 + 16 * 4);
    assert_eq!(Results::of(&stack.export("away")), alone);
    assert!(
        stack.coordinator.running()
            && stack
                .workers
                .iter_mut()
                .all(groklab_tests::Process::running),
        "{}",
        stack.logs()
    );
}

#[test]
fn a_full_disk_of_the_database_holds_everything_up_and_loses_nothing() {
    if !nix::unistd::geteuid().is_root() {
        groklab_tests::skip("only root may mount the small disk that this test fills");
        return;
    }
    let (mut stack, alone) = after_one_run();
    // Its Postgres moves to a small disk.
    assert!(stack.coordinator.stop(Duration::from_secs(60)).success());
    let folder = stack.dir.path().join("data/postgres");
    let aside = stack.dir.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::create_dir(&folder).unwrap();
    let shell = |command: &str, args: &[&str]| {
        assert!(
            Command::new(command).args(args).status().unwrap().success(),
            "{command} {args:?}"
        )
    };
    let (small, all) = (folder.to_str().unwrap(), format!("{}/.", aside.display()));
    shell(
        "mount",
        &["-t", "tmpfs", "-o", "size=200m,mode=0700", "tmpfs", small],
    );
    let mounted = Mounted(folder.clone());
    shell("cp", &["--archive", &all, small]);
    stack.coordinator.start_again();
    stack.wait_until_served();

    let filler = folder.join("filler");
    let full = fs::write(&filler, vec![0; 400 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let file = stack.file("full.toml", &experiment("full", 1, "rft"));
    let refused = stack.grokctl(&["submit", file.to_str().unwrap()]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{error}");
    until(
        &format!("the log to name the disk: {}", stack.logs()),
        Duration::from_secs(60),
        || {
            let log = stack.coordinator.log();
            (log.contains("disk is full") || log.contains("No space left on device")).then_some(())
        },
    );
    fs::remove_file(&filler).unwrap();
    stack.wait_until_served();
    stack.submit(&experiment("full", 1, "rft"));
    stack.grokctl_ok(&["watch", "full"]);
    stack.assert_accounts("full", 28 * 5 * 2 + 16 * 4);
    assert_eq!(Results::of(&stack.export("full")), alone);
    assert_eq!(
        Results::of(&stack.export("alone")),
        alone,
        "earlier results are what they were"
    );
    assert!(stack.coordinator.stop(Duration::from_secs(60)).success());
    drop(mounted);
}
