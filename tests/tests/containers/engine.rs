//! The Docker engine, if there is one, and the images.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use groklab_tests::{root, skip};

use crate::files::composes;

/// One test at a time: they share the machine's cores, and have time limits.
static ALONE: Mutex<()> = Mutex::new(());

/// Asks for those tests that take many minutes: `make test-containers`.
const ASKED_FOR: &str = "GROKLAB_TEST_CONTAINERS";

/// Where these tests look for the engine, whose owner they let their callers be.
pub const SOCKET: &str = "/var/run/docker.sock";

/// A minimal Debian.
pub const BASE_IMAGE: &str = "groklab-test/debian:bookworm";

/// Why there is nothing to test with; none where all is there.
static MISSING: LazyLock<Option<String>> = LazyLock::new(|| {
    let engine = ["version", "--format", "{{.Server.Version}}"];
    if let Err(reason) = output(Command::new("docker").args(engine)) {
        return Some(format!("no Docker engine: {reason}"));
    }
    if composes().is_empty() {
        return Some("neither `docker compose` nor `docker-compose` is here".to_owned());
    }
    // They call grokctl as another user, and look into containers' networks.
    if !nix::unistd::geteuid().is_root() || !Path::new(SOCKET).exists() {
        return Some(format!("only for root, with an engine at {SOCKET}"));
    }
    let mut base = Command::new(root().join("deploy/testing/base-image.sh"));
    let reason = output(base.arg(BASE_IMAGE)).err()?;
    Some(format!("no base image: {reason}"))
});

static IMAGES: LazyLock<Result<(), String>> = LazyLock::new(|| {
    let mut script = Command::new(root().join("deploy/testing/images.sh"));
    output(&mut script).map(drop)
});

/// Waits for its turn. None, and said why, where there is no engine.
fn turn() -> Option<MutexGuard<'static, ()>> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reason) = &*MISSING {
        skip(reason);
        return None;
    }
    Some(alone)
}

/// Waits for its turn and for the images. None, and said why, where there is no engine.
pub fn engine() -> Option<MutexGuard<'static, ()>> {
    let alone = turn()?;
    if let Err(error) = &*IMAGES {
        panic!("deploy/testing/images.sh: {error}");
    }
    Some(alone)
}

/// The same for what takes many minutes.
pub fn engine_if_asked_for() -> Option<MutexGuard<'static, ()>> {
    is_asked_for().then(engine)?
}

/// The same for what needs none of the images.
pub fn bare_engine_if_asked_for() -> Option<MutexGuard<'static, ()>> {
    is_asked_for().then(turn)?
}

fn is_asked_for() -> bool {
    let asked = std::env::var_os(ASKED_FOR).is_some();
    if !asked {
        skip("it takes long: make test-containers runs it");
    }
    asked
}

/// The standard output of a command that succeeds; else what it said.
pub fn output(command: &mut Command) -> Result<String, String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() {
        Ok(text)
    } else {
        Err(format!(
            "{command:?}: {status}\n{text}{}",
            String::from_utf8_lossy(&stderr)
        ))
    }
}

/// What `docker ARGS` prints.
pub fn docker(args: &[&str]) -> String {
    output(Command::new("docker").args(args)).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that a container has said, on both its outputs.
pub fn log(container: &str) -> String {
    let both = r#"exec docker logs "$1" 2>&1"#;
    output(Command::new("sh").args(["-euc", both, "sh", container]))
        .unwrap_or_else(|error| panic!("{error}"))
}
