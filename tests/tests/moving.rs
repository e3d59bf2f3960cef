//! Backing up and moving an installation as docs/operations.md says, in the middle of an experiment: it goes on with the same results.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use groklab_tests::files::{LONG_JOBS_ROLLOUTS, Results, long_jobs};
use groklab_tests::{Stack, database::binaries};
use nix::sys::signal::Signal;

const WORKERS: [&str; 3] = ["worker-verify", "worker-gen", "worker-train"];
const TRAIN: usize = 2;

/// Runs a command that must succeed; what it wrote.
fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    output.stdout
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("--archive").arg(from).arg(to));
}

/// A stack with the experiment `alone` done, its results, and `moved` in its middle: whoever trains it stands still.
fn in_the_middle() -> (Stack, Results) {
    let mut stack = Stack::coordinator(&["--lease-seconds", "3", "--attempts", "20"]);
    for name in WORKERS {
        stack.add_worker(name, &[], &[]);
    }
    stack.submit(&long_jobs("alone"));
    stack.grokctl_ok(&["watch", "alone"]);
    let alone = Results::of(&stack.export("alone"));
    stack.submit(&long_jobs("moved"));
    stack.freeze("moved", "train", TRAIN);
    (stack, alone)
}

/// Lets `moved` run to its end on a coordinator of its own over `data`.
fn goes_on(data: &Path, database_url: Option<&str>, alone: &Results) {
    let mut flags = vec!["--lease-seconds", "3", "--attempts", "20"];
    flags.extend(["--data", data.to_str().unwrap()]);
    flags.extend(database_url.iter().flat_map(|url| ["--database-url", url]));
    let mut stack = Stack::coordinator(&flags);
    assert_eq!(
        &Results::of(&stack.export("alone")),
        alone,
        "what was done is there"
    );
    for name in WORKERS {
        stack.add_worker(name, &[], &[]);
    }
    stack.grokctl_ok(&["watch", "moved"]);
    let moved = Results::of(&stack.export("moved"));
    assert_eq!((&moved, moved.rollouts.len()), (alone, LONG_JOBS_ROLLOUTS));
}

#[test]
fn a_stopped_installation_is_moved_by_copying_its_folder() {
    let (mut stack, alone) = in_the_middle();
    stack.workers[TRAIN].signal(Signal::SIGCONT);
    stack.workers.clear();
    let ended = stack.coordinator.stop(Duration::from_secs(30));
    assert!(ended.success(), "{}", stack.coordinator.log());
    let elsewhere = groklab_tests::folder();
    copy(
        &stack.dir.path().join("data"),
        &elsewhere.path().join("data"),
    );
    drop(stack);
    goes_on(&elsewhere.path().join("data"), None, &alone);
}

#[test]
fn a_backup_of_a_running_installation_goes_on_where_it_was_taken() {
    let (stack, alone) = in_the_middle();
    let data = stack.dir.path().join("data");
    let socket = data.join("postgres/socket");
    let postgres = |program: &str| {
        let mut command = Command::new(binaries().join(program));
        command
            .arg("--host")
            .arg(&socket)
            .args(["--username", "groklab"]);
        command
    };
    // The database first: an artifact that it names stays, so those copied later hold all that it names.
    let dump = stack.dir.path().join("backup.dump");
    run(postgres("pg_dump")
        .args(["--format", "custom", "--dbname", "groklab", "--file"])
        .arg(&dump));
    let elsewhere = groklab_tests::folder();
    copy(&data.join("artifacts"), &elsewhere.path().join("artifacts"));
    stack.grokctl_ok(&["cancel", "moved"]);
    stack.workers[TRAIN].signal(Signal::SIGCONT);

    run(postgres("createdb").arg("restored"));
    run(postgres("pg_restore")
        .args(["--exit-on-error", "--dbname", "restored"])
        .arg(&dump));
    let url = format!(
        "postgres://groklab@localhost/restored?host={}",
        socket.display()
    );
    goes_on(elsewhere.path(), Some(&url), &alone);
    assert_eq!(
        stack.state("moved"),
        "cancelled",
        "the other installation is another one"
    );
}
