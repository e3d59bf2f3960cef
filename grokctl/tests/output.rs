//! Standard output that is full, closed or no longer read, with the real binary. The commands that
//! ask a coordinator are in the end-to-end tests.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs::File,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs grokctl with its standard output sent to `output`, in the words of a shell.
fn grokctl(dir: &Path, args: &[&str], output: &str) -> Output {
    let script = format!("exec \"$0\" \"$@\" {output}");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_grokctl")])
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null());
    shell.output().unwrap()
}

/// Runs grokctl with a standard output whose reader has gone.
fn unread(dir: &Path, args: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_grokctl"));
    command
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(writer)
        .output()
        .unwrap()
}

const COMMANDS: [&[&str]; 9] = [
    &["problems", "e.toml"],
    &["problems", "e.toml", "--json"],
    &["validate", "e.toml"],
    &["validate", "e.toml", "--json"],
    &["completions", "bash"],
    &["completions", "zsh"],
    &["--help"],
    &["help", "rollouts"],
    &["--version"],
];

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("e.toml"),
        "name = \"e\"\n[model]\nsource = \"org/name\"\n",
    )
    .unwrap();
    dir
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let dir = folder();
    for args in COMMANDS {
        for (output, why) in [
            (">/dev/full", "No space left on device"),
            (">&-", "standard output is closed"),
        ] {
            let done = grokctl(dir.path(), args, output);
            let said = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(1), "{args:?} {output}: {said}");
            assert!(
                said.contains(why) && !said.contains("panicked"),
                "{args:?} {output}: {said}"
            );
        }
        assert_eq!(
            grokctl(dir.path(), args, ">out").status.code(),
            Some(0),
            "{args:?}"
        );
        assert!(
            std::fs::read(dir.path().join("out"))
                .unwrap()
                .ends_with(b"\n"),
            "{args:?}"
        );
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let dir = folder();
    for args in COMMANDS {
        let done = unread(dir.path(), args);
        assert_eq!(
            (
                done.status.code(),
                String::from_utf8_lossy(&done.stderr).as_ref()
            ),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

#[test]
fn a_full_standard_error_changes_no_exit_code() {
    let dir = folder();
    for (args, code) in [
        (&["validate", "nowhere.toml"][..], 3),
        (&["validate", "e.toml"], 0),
        (&["shwo"], 2),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grokctl"));
        let full = File::options().write(true).open("/dev/full").unwrap();
        let done = command
            .args(args)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(full)
            .status()
            .unwrap();
        assert_eq!(done.code(), Some(code), "{args:?}");
    }
}

#[test]
fn nothing_is_begun_where_standard_output_is_closed() {
    let dir = folder();
    for args in [
        &["up", "--data", "data"][..],
        &["run", "--local", "e.toml", "--data", "data"],
    ] {
        let done = grokctl(dir.path(), args, ">&-");
        assert_eq!(
            done.status.code(),
            Some(1),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        assert!(!dir.path().join("data").exists());
    }
}
