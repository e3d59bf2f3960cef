//! Tests that can't run on a machine say so, whatever captures their output, and are counted:
//! `make test` shows how many there were in its last line.

use std::{fs::File, io::Write as _, path::PathBuf};

use crate::binaries;

/// Where the tests of a run that were skipped stand, one a line.
pub fn list() -> PathBuf {
    binaries::folder().join("../skipped-tests")
}

/// Says that the calling test is not run, and why.
///
/// # Panics
/// If that can't be written down.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    // The harness names each thread after its test.
    let test = thread.name().unwrap_or("a test");
    let line = format!("skipped: {test}: {reason}\n");
    // Not by a macro, whose output the harness keeps for itself when a test succeeds.
    let _ = std::io::stderr().write_all(line.as_bytes());
    let mut list = File::options()
        .create(true)
        .append(true)
        .open(list())
        .unwrap();
    list.write_all(line.as_bytes()).unwrap();
}
