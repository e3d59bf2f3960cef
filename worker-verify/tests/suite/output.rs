//! Standard output that is full or closed is an error, said once; a reader who has gone ends the work quietly. Never a panic.

use std::{
    fs::File,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use crate::common::NSJAIL;

const LINE: &[u8] = br#"{"id": 1, "code": "def f(): return 1", "entry": "f", "cases": [{"args": [], "expected": 1}]}"#;
const COMMANDS: [&[&str]; 4] = [
    &["check", "--json"],
    &["doctor"],
    &["soak", "--count", "20"],
    &["bench", "--rounds", "1", "--candidates", "1"],
];

fn run(mut command: Command, output: Stdio, closed_at_once: bool) -> Output {
    let command = command
        .env("GROKLAB_NSJAIL", NSJAIL.path())
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    if closed_at_once {
        drop(child.stdout.take());
    }
    // It may have ended already.
    let _ = child.stdin.take().expect("it is piped").write_all(LINE);
    child.wait_with_output().expect("it ends")
}

#[track_caller]
fn says_so(done: &Output, command: &[&str], reason: &str) {
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{command:?}: {told}");
    assert!(
        told.starts_with("worker-verify: error: ")
            && told.contains(reason)
            && told.lines().count() == 1,
        "{command:?}: {told}"
    );
}

fn worker_verify(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-verify"));
    command.args(arguments);
    command
}

#[test]
fn a_full_disk() {
    for command in COMMANDS {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("it is there");
        says_so(
            &run(worker_verify(command), full.into(), false),
            command,
            "write to standard output: No space left on device",
        );
    }
}

#[test]
fn a_reader_that_has_gone() {
    for command in COMMANDS {
        let done = run(worker_verify(command), Stdio::piped(), true);
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.code() == Some(0) && told.is_empty(),
            "{command:?}: {:?} {told}",
            done.status
        );
    }
}

#[test]
fn none_at_all() {
    for command in COMMANDS {
        let mut shell = Command::new("sh");
        shell
            .args([
                "-c",
                "exec \"$0\" \"$@\" >&-",
                env!("CARGO_BIN_EXE_worker-verify"),
            ])
            .args(command);
        says_so(
            &run(shell, Stdio::null(), false),
            command,
            "standard output is closed",
        );
    }
}
