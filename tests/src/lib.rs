//! The harness of the end-to-end tests: finds the real binaries, refuses stale ones, boots them on a
//! folder of their own and leaves nothing behind.

#![expect(
    clippy::unwrap_used,
    reason = "a harness of tests: a failure is a panic with its place"
)]

pub mod admin;
pub mod binaries;
pub mod containers;
pub mod database;
pub mod files;
mod jobs;
pub mod processes;
pub mod s3;
pub mod skip;
pub mod stack;
pub mod wait;

pub use binaries::{binary, root, test_binary};
pub use jobs::Held;
pub use skip::skip;
pub use stack::{Process, Stack};

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::PathBuf};

/// A temporary folder that the unprivileged user of Postgres can reach, so that its data goes with
/// it.
pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("groklab-test")
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

/// A tiny llama that was trained to answer `sum_digits` right about half of the time; see its
/// README.
pub fn tiny_coder() -> PathBuf {
    root().join("tests/fixtures/tiny-coder")
}
