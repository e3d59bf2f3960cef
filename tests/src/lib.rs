//! The harness of the end-to-end tests: finds the real binaries, refuses stale ones, boots them on a folder of their own and
//! leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a harness of tests: a failure is a panic with its place")]

pub mod binaries;
pub mod stack;
pub mod wait;

pub use binaries::{binary, root};
pub use stack::{Process, Stack};

use std::path::PathBuf;

/// A tiny llama that was trained to answer `sum_digits` right about half of the time; see its README.
pub fn tiny_coder() -> PathBuf {
    root().join("tests/fixtures/tiny-coder")
}
