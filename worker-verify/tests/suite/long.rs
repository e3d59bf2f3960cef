//! Shorter versions of `worker-verify soak` and `repeat`.

use std::num::NonZero;

use crate::common::{NSJAIL, paths};
use groklab_worker_verify::bench::repeat::repeat;

const TWO: NonZero<usize> = NonZero::new(2).unwrap();

/// The other tests of this process start zygotes too: what they leave open is theirs, so this one runs in a process of its own.
#[test]
fn a_soak_leaves_nothing_and_judges_everything_right() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_worker-verify"))
        .args(["soak", "--count", "400", "--threads", "2"])
        .env("GROKLAB_NSJAIL", NSJAIL.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("    400 candidates: worker "), "{text}");
}

#[test]
fn verdicts_repeat_under_load() {
    for (path, sandbox) in paths() {
        let mut told = Vec::new();
        assert_eq!(
            repeat(sandbox, if path == "warm" { 160 } else { 32 }, TWO, &mut told).unwrap(),
            0,
            "{path}: {}",
            String::from_utf8_lossy(&told)
        );
    }
}
