//! What the tests share: the real sandbox, and one small task for candidates: `solve(x)` must return `x + 1`.

use std::{
    path::PathBuf,
    sync::{LazyLock, atomic::AtomicBool},
    time::Duration,
};

use groklab_domain::{Value, Verdict};
use groklab_worker_verify::{Case, Config, Limits, Nsjail, Outcome, Sandbox, Submission, locate, verify};

pub fn config() -> Config {
    let nsjail = std::env::var_os("GROKLAB_NSJAIL").map(PathBuf::from);
    locate(nsjail, None, std::env::var_os("PATH").as_deref())
}

pub static NSJAIL: LazyLock<Nsjail> = LazyLock::new(|| Nsjail::new(&config()).expect("`make setup` has installed nsjail"));

pub const LIMITS: Limits = Limits { cpu: Duration::from_millis(400), memory_bytes: 256 << 20, output_bytes: 1 << 20 };

/// `solve(1) == 2`, `solve(2) == 3`, `solve(3) == 4`; the first is visible.
pub fn increments() -> Vec<Case> {
    (1..=3).map(|x| Case { args: vec![Value::int(x)], expected: Value::int(x + 1), visible: x == 1 }).collect()
}

pub fn submission(code: &str) -> Submission {
    Submission { text: code.as_bytes().to_vec(), is_code: true, entry: "solve".to_owned(), cases: increments(), limits: LIMITS }
}

pub fn run_in(sandbox: &dyn Sandbox, submission: &Submission) -> Outcome {
    verify(sandbox, submission, &AtomicBool::new(false))
}

pub fn run(code: &str) -> Outcome {
    run_in(&*NSJAIL, &submission(code))
}

/// One case without arguments.
pub fn returns(code: &str, expected: Value) -> Outcome {
    let cases = vec![Case { args: vec![], expected, visible: false }];
    run_in(&*NSJAIL, &Submission { cases, ..submission(code) })
}

#[track_caller]
pub fn expect(code: &str, verdicts: &[Verdict]) -> Outcome {
    let outcome = run(code);
    assert!(verdicts.contains(&outcome.verdict), "{outcome:#?}");
    outcome
}
