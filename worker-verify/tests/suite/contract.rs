//! What every sandbox must do, run against both real ones and the fake.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::common::{LIMITS, increments, run_in, submission};
use groklab_domain::{Tally, Value, Verdict};
use groklab_worker_verify::{
    Case, Sandbox, Submission,
    fake::{Fake, Step},
    sandbox::{Ended, Request},
    verify,
};

const RIGHT: &str = "def solve(x): return x + 1";
const RAISES: &str = "def solve(x): raise ValueError('no')";
const LEAVES: &str = "import os\ndef solve(x): os._exit(0)";
const LOOPS: &str = "def solve(x):\n    while True: pass";
const ECHO: &str = "def solve(x): return x";

fn fake() -> Fake {
    let increment = |args: &[Value]| match args {
        [Value::Int(n)] => Step::Return(Value::Int(n + 1)),
        _ => Step::Raise("TypeError", "not a number"),
    };
    Fake::default()
        .with(RIGHT, "solve", increment)
        .with(RAISES, "solve", |_| Step::Raise("ValueError", "no"))
        .with(LEAVES, "solve", |_| Step::Exit(0))
        .with(LOOPS, "solve", |_| Step::Loop)
        .with(ECHO, "solve", |args| Step::Return(args[0].clone()))
}

#[test]
fn a_candidate_that_is_killed_every_time_is_to_blame() {
    let table: [(&[Step], Verdict); 6] = [
        (&[Step::Die], Verdict::Passed),
        (&[Step::Die, Step::Die], Verdict::Passed),
        (&[Step::Die, Step::Die, Step::Die], Verdict::RuntimeError),
        // One that did not begin in one of them is not.
        (&[Step::NeverBegin, Step::Die], Verdict::Passed),
        (
            &[Step::NeverBegin, Step::NeverBegin, Step::Die],
            Verdict::InfrastructureError,
        ),
        (
            &[Step::Die, Step::Die, Step::NeverBegin],
            Verdict::InfrastructureError,
        ),
    ];
    for (kills, verdict) in table {
        let (kills, run) = (kills.to_vec(), AtomicUsize::new(0));
        let die = move |_: &[Value]| {
            kills
                .get(run.fetch_add(1, Relaxed))
                .cloned()
                .unwrap_or(Step::Return(Value::int(2)))
        };
        let case = Case {
            args: vec![Value::int(1)],
            expected: Value::int(2),
            visible: false,
        };
        let outcome = run_in(
            &Fake::default().with("dies", "solve", die),
            &Submission {
                cases: vec![case],
                ..submission("dies")
            },
        );
        assert_eq!(outcome.verdict, verdict, "{outcome:#?}");
    }
}

fn verdicts(sandbox: &dyn Sandbox) {
    let verdict = |code: &str| run_in(sandbox, &submission(code)).verdict;
    assert_eq!(verdict(RIGHT), Verdict::Passed);
    assert_eq!(verdict(RAISES), Verdict::RuntimeError);
    assert_eq!(verdict(LEAVES), Verdict::RuntimeError);
    assert_eq!(verdict(LOOPS), Verdict::Timeout);
    assert_eq!(verdict(ECHO), Verdict::WrongAnswer);
    assert_eq!(verdict("def solve(x:"), Verdict::SyntaxError);
    assert_eq!(
        run_in(
            sandbox,
            &Submission {
                entry: "other".to_owned(),
                ..submission(RIGHT)
            }
        )
        .verdict,
        Verdict::MissingFunction
    );
}

fn explanations(sandbox: &dyn Sandbox) {
    let outcome = run_in(sandbox, &submission(RAISES));
    assert_eq!(outcome.error.as_deref(), Some("ValueError: no"));
    assert_eq!(
        (outcome.visible, outcome.hidden),
        (
            Tally {
                passed: 0,
                total: 1
            },
            Tally {
                passed: 0,
                total: 2
            }
        )
    );
    let failure = run_in(sandbox, &submission(ECHO))
        .first_failure
        .expect("it fails");
    assert_eq!(
        (
            failure.case,
            failure.got.as_deref(),
            failure.expected.as_str()
        ),
        (0, Some("1"), "2")
    );
}

fn values_come_back_as_they_are(sandbox: &dyn Sandbox) {
    let values = [
        Value::None,
        Value::Bool(true),
        Value::int(i128::MIN),
        Value::Float(-0.5),
        Value::str("ä\0\u{10ffff}"),
        Value::List(vec![Value::Tuple(vec![]), Value::int(0)]),
        Value::Dict(vec![
            (Value::int(1), Value::str("a")),
            (Value::str("1"), Value::None),
        ]),
    ];
    let cases = values
        .iter()
        .map(|value| Case {
            args: vec![value.clone()],
            expected: value.clone(),
            visible: true,
        })
        .collect();
    let outcome = run_in(
        sandbox,
        &Submission {
            cases,
            ..submission(ECHO)
        },
    );
    assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
}

fn no_cases_is_a_pass_of_nothing(sandbox: &dyn Sandbox) {
    let outcome = run_in(
        sandbox,
        &Submission {
            cases: vec![],
            ..submission(RIGHT)
        },
    );
    assert_eq!(
        (outcome.verdict, outcome.hidden.total),
        (Verdict::Passed, 0)
    );
}

fn a_cancelled_run_says_so(sandbox: &dyn Sandbox) {
    let cancelled = AtomicBool::new(true);
    let raw = sandbox.run(&Request {
        code: LOOPS.as_bytes(),
        entry: "solve",
        cases: &[&[Value::None]],
        limits: LIMITS,
        cancelled: &cancelled,
    });
    assert_eq!(
        raw.expect("cancelling is no failure").ended,
        Ended::Cancelled
    );
    assert_eq!(
        verify(sandbox, &submission(LOOPS), &cancelled).verdict,
        Verdict::InfrastructureError
    );
}

macro_rules! contract {
    ($($name:ident),+) => {
        mod warm { $(#[test] fn $name() { super::$name(&*crate::common::WARM) })+ }
        mod cold { $(#[test] fn $name() { super::$name(&*crate::common::NSJAIL) })+ }
        mod fake { $(#[test] fn $name() { super::$name(&super::fake()) })+ }
    };
}

contract!(
    verdicts,
    explanations,
    values_come_back_as_they_are,
    no_cases_is_a_pass_of_nothing,
    a_cancelled_run_says_so
);

#[test]
fn a_broken_sandbox_is_never_a_wrong_answer() {
    let outcome = run_in(&Fake::broken(), &submission(RIGHT));
    assert_eq!(outcome.verdict, Verdict::InfrastructureError);
    assert!(outcome.error.unwrap().contains("broken on purpose"));
    assert_eq!(
        outcome.hidden,
        Tally {
            passed: 0,
            total: u32::try_from(increments().len() - 1).unwrap()
        }
    );
}
