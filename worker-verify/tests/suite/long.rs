//! Shorter versions of `worker-verify soak` and `repeat`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    num::NonZero,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::common::{NSJAIL, SLOWNESS, paths};
use groklab_worker_verify::commands::bench::repeat::repeat;

const TWO: NonZero<usize> = NonZero::new(2).unwrap();

/// The other tests of this process start zygotes too: what they leave open is theirs, so this one runs in a process of its own.
#[test]
fn a_soak_leaves_nothing_and_judges_everything_right() {
    let output = soak(400).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("    400 candidates: worker "), "{text}");
}

fn soak(count: u32) -> Child {
    Command::new(env!("CARGO_BIN_EXE_worker-verify"))
        .args(["soak", "--count", &count.to_string(), "--threads", "2"])
        // Enough for an honest candidate on a machine that is busy with other tests.
        .args(["--cpu-ms", &(300 * *SLOWNESS).to_string()])
        .env("GROKLAB_NSJAIL", NSJAIL.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program is built")
}

/// Removes them at the end.
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        self.0.iter().for_each(|file| drop(fs::remove_file(file)));
    }
}

/// A database keeps its shared memory there, and many a program its socket: also as the user that candidates are outside.
#[test]
fn what_other_programs_leave_meanwhile_is_theirs() {
    let mut child = soak(200);
    let mut told = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(
        line.contains("10 candidates: worker "),
        "the soak has begun: {line}"
    );
    let name = format!("PostgreSQL.{}", std::process::id());
    let files = Files(
        ["/dev/shm", "/tmp"]
            .iter()
            .map(|folder| Path::new(folder).join(&name))
            .collect(),
    );
    for file in &files.0 {
        fs::write(file, "in use").unwrap();
        if nix::unistd::geteuid().is_root() {
            chown(file, Some(65534), Some(65534)).unwrap();
        }
    }
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(
        ended.status.success(),
        "{rest}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(
        files.0.iter().all(|file| file.exists()),
        "they were there to its end"
    );
}

#[test]
fn verdicts_repeat_under_load() {
    for (path, sandbox) in paths() {
        let mut told = Vec::new();
        assert_eq!(
            repeat(
                sandbox,
                if path == "warm" { 160 } else { 32 },
                TWO,
                &mut told
            )
            .unwrap(),
            0,
            "{path}: {}",
            String::from_utf8_lossy(&told)
        );
    }
}
