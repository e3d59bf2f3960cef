//! The coordinator's program itself, in an environment of its own: what it says, and whether it serves.

use std::{process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{harness::eventually, postgres::folder};

/// Variables for the program, beside `PATH`.
pub type Environment<'a> = &'a [(&'a str, &'a str)];

/// How the program is started, with everything that it could say being said.
pub fn command(folder: &TempDir, args: &[&str], environment: Environment<'_>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coordinator"));
    command
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(folder.path().join("data"))
        .args(args);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder.path())
        .env("RUST_BACKTRACE", "full");
    command
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs it with a database URL that it cannot use; everything it said.
pub async fn refusal(url: &str, environment: Environment<'_>) -> String {
    said(
        &[],
        &[&[("GROKLAB_DATABASE_URL", url)], environment].concat(),
    )
    .await
}

/// Runs it where it must end by itself and fail; everything it said.
pub async fn said(args: &[&str], environment: Environment<'_>) -> String {
    let folder = folder();
    let output = command(&folder, args, environment).output();
    let output = tokio::time::timeout(Duration::from_secs(120), output)
        .await
        .expect("ends by itself")
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!output.status.success(), "{args:?} is served: {text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// The program, serving.
pub struct Serving {
    child: Child,
    folder: TempDir,
}

impl Serving {
    pub async fn on(url: &str, environment: Environment<'_>) -> Self {
        let folder = folder();
        let (address, log) = (
            folder.path().join("address"),
            std::fs::File::create(folder.path().join("log")).unwrap(),
        );
        let mut command = command(
            &folder,
            &["--address-file", address.to_str().unwrap()],
            environment,
        );
        let child = command
            .env("GROKLAB_DATABASE_URL", url)
            .stderr(log)
            .spawn()
            .unwrap();
        let mut serving = Self { child, folder };
        eventually("the address file", async || {
            let ended = serving.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", serving.log());
            address.exists().then_some(())
        })
        .await;
        serving
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Stops it in order; everything it said.
    pub async fn stop(mut self) -> String {
        let id = self.child.id().unwrap();
        kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM).unwrap();
        let status = tokio::time::timeout(Duration::from_secs(60), self.child.wait())
            .await
            .expect("stops in time")
            .unwrap();
        assert!(status.success(), "{}", self.log());
        self.log()
    }
}
