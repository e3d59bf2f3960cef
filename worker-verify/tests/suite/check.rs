//! `check` and the pool: order, malformed lines, neighbours, cancelling.

use std::{
    io::Write as _,
    num::NonZero,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::common::{NSJAIL, paths, submission};
use groklab_domain::Verdict;
use groklab_worker_verify::{
    Submission,
    pool::{Cancelled, verify_all},
};
use serde_json::{Value as Json, json};

const TWO: NonZero<usize> = NonZero::new(2).unwrap();

#[test]
fn check_answers_every_line_in_order() {
    let line = |id: &str, code: &str| {
        json!({"id": id, "code": code, "entry": "solve", "timeout_ms": 300, "memory_mb": 128,
               "cases": [{"args": [1], "expected": 2}, {"args": [{"$tuple": [1]}], "expected": [1]}]})
        .to_string()
    };
    let slow = "def solve(x):\n    while True: pass";
    let right = "def solve(x): return x + 1 if x == 1 else list(x)";
    let input = [line("a", slow), "{\"id\": 3".to_owned(), String::new(), line("b", right), line("c", "def solve(x): return x + 1")];
    let mut child = Command::new(env!("CARGO_BIN_EXE_worker-verify"))
        .args(["check", "--json"])
        .env("GROKLAB_NSJAIL", NSJAIL.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.join("\n").as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let answers: Vec<Json> = String::from_utf8(done.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(done.status.code(), Some(1), "a malformed line shows in the exit code");
    assert_eq!((&answers[0]["id"], &answers[0]["verdict"]), (&json!("a"), &json!("timeout")));
    assert_eq!(answers[1]["line"], 2);
    assert_eq!((&answers[2]["verdict"], &answers[2]["passed"], &answers[2]["total"]), (&json!("passed"), &json!(2), &json!(2)));
    assert_eq!((&answers[3]["verdict"], &answers[3]["first_failure"]["case"]), (&json!("runtime_error"), &json!(1)));
    assert_eq!(answers.len(), 4);
}

#[test]
fn hostile_neighbours_change_no_honest_verdict() {
    const HONEST: &str = "def solve(x): return sum(1 for _ in range(200_000)) * 0 + x + 1";
    const HOSTILE: [&str; 4] = [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        "def solve(x):\n    while True: pass",
        "def solve(x): return [bytearray(1 << 20) for _ in range(1 << 20)]",
        "import os\ndef solve(x): os.kill(-1, 9)",
    ];
    let codes: Vec<&str> = HOSTILE.iter().flat_map(|hostile| [HONEST, *hostile, HONEST]).collect();
    let submissions: Vec<Submission> = codes.iter().map(|code| submission(code)).collect();
    for (path, sandbox) in paths() {
        let outcomes = verify_all(sandbox, &submissions, TWO, &AtomicBool::new(false), &|_| ()).unwrap();
        for (code, outcome) in codes.iter().zip(&outcomes) {
            assert_eq!(outcome.verdict == Verdict::Passed, *code == HONEST, "{path}: {code}\n{outcome:#?}");
            assert_ne!(outcome.verdict, Verdict::InfrastructureError, "{path}: {outcome:#?}");
        }
    }
}

#[test]
fn cancelling_ends_what_runs() {
    for (path, sandbox) in paths() {
        let cancelled = AtomicBool::new(false);
        let submissions = vec![submission("def solve(x): return x + 1"), submission("import time\ntime.sleep(1000)")];
        let stop = |_| cancelled.store(true, Ordering::Relaxed);
        assert_eq!(verify_all(sandbox, &submissions, TWO, &cancelled, &stop), Err(Cancelled), "{path}");
    }
}
