use super::*;
use crate::metrics::{IterationLine, IterationSeconds, Training};
use crate::{Split, Tally};

fn verification(verdict: Verdict, visible: u32, hidden: u32) -> Verification {
    Verification {
        verdict,
        visible: Tally {
            passed: visible,
            total: 1,
        },
        hidden: Tally {
            passed: hidden,
            total: 4,
        },
    }
}

fn outcome(problem: u32, sample: u32, greedy: bool, correct: bool) -> RolloutOutcome {
    let verification = if correct {
        verification(Verdict::Passed, 1, 4)
    } else {
        verification(Verdict::WrongAnswer, 1, 2)
    };
    RolloutOutcome {
        problem,
        sample,
        greedy,
        verification,
    }
}

const PROBLEMS: [ProblemRef<'static>; 4] = [
    ProblemRef {
        ordinal: 0,
        split: Split::Train,
        family: "rpn",
        rule: "+*",
    },
    ProblemRef {
        ordinal: 1,
        split: Split::Train,
        family: "rpn",
        rule: "+-",
    },
    ProblemRef {
        ordinal: 2,
        split: Split::Test,
        family: "rpn",
        rule: "+*",
    },
    ProblemRef {
        ordinal: 3,
        split: Split::Test,
        family: "gcd",
        rule: "two",
    },
];

fn sampling() -> Sampling {
    Sampling {
        n: 4,
        temperature: 0.8,
        top_p: 1.0,
        pass_at: vec![1, 4],
    }
}

/// Problem p is solved greedily where p is even, and in p of 4 samples.
fn outcomes() -> Vec<RolloutOutcome> {
    let greedy = (0..4).map(|p| outcome(p, 0, true, p % 2 == 0));
    greedy
        .chain((0..16).map(|i| outcome(i / 4, i % 4, false, i % 4 < i / 4)))
        .collect()
}

#[test]
fn counts_by_split_family_and_rule() {
    let breakdown = evaluate(&PROBLEMS, &outcomes(), &sampling()).unwrap();
    assert_eq!(
        breakdown.splits.keys().copied().collect::<Vec<_>>(),
        [Split::Train, Split::Test]
    );
    let test = &breakdown.splits[&Split::Test];
    assert_eq!(
        (test.total, test.correct, test.accuracy, test.shortcuts),
        (2, 1, 0.5, 1)
    );
    assert_eq!(
        test.verdicts,
        BTreeMap::from([(Verdict::Passed, 1), (Verdict::WrongAnswer, 1)])
    );
    let sampled = test.sampled.as_ref().unwrap();
    assert_eq!(
        (sampled.total, sampled.correct, sampled.shortcuts),
        (8, 5, 3)
    );
    assert_eq!(sampled.pass_at, BTreeMap::from([(1, 0.625), (4, 1.0)]));
    assert_eq!(
        breakdown.families["rpn"][&Split::Train],
        Share {
            total: 2,
            correct: 1,
            sampled: Some(Count {
                total: 8,
                correct: 1
            })
        }
    );
    assert_eq!(breakdown.rules["gcd/two"][&Split::Test].correct, 0);
}

#[test]
fn arrival_does_not_matter() {
    let mut reversed = outcomes();
    reversed.reverse();
    assert_eq!(
        evaluate(&PROBLEMS, &reversed, &sampling()),
        evaluate(&PROBLEMS, &outcomes(), &sampling())
    );
}

#[test]
fn nothing_missing_doubled_or_foreign_is_counted() {
    let check = |change: fn(&mut Vec<RolloutOutcome>)| {
        let mut changed = outcomes();
        change(&mut changed);
        evaluate(&PROBLEMS, &changed, &sampling()).unwrap_err()
    };
    assert_eq!(
        check(|o| o.retain(|o| o.problem != 1 || !o.greedy)),
        Error::Greedy {
            problem: 1,
            found: 0
        }
    );
    assert_eq!(
        check(|o| o.truncate(o.len() - 1)),
        Error::Samples {
            problem: 3,
            found: 3,
            n: 4
        }
    );
    assert_eq!(
        check(|o| o.push(outcome(2, 3, false, true))),
        Error::Samples {
            problem: 2,
            found: 5,
            n: 4
        }
    );
    assert_eq!(
        check(|o| o.push(outcome(9, 0, true, true))),
        Error::UnknownProblem { problem: 9 }
    );
    let broken = check(|o| o[7].verification.verdict = Verdict::InfrastructureError);
    assert_eq!(broken, Error::NotAVerdict { problem: Some(0) });
    assert_eq!(
        broken.to_string(),
        "infrastructure error counted as a verdict on problem 0"
    );
    let high = Sampling {
        pass_at: vec![5],
        ..sampling()
    };
    assert_eq!(
        evaluate(&PROBLEMS, &outcomes(), &high),
        Err(Error::PassAt { k: 5, n: 4 })
    );
    assert!(RolloutCounts::of([&verification(Verdict::InfrastructureError, 0, 0)], 0).is_err());
}

#[test]
fn greedy_alone_has_no_sampled_set() {
    let greedy: Vec<_> = outcomes().into_iter().filter(|o| o.greedy).collect();
    let breakdown = evaluate(
        &PROBLEMS,
        &greedy,
        &Sampling {
            n: 0,
            pass_at: vec![],
            ..sampling()
        },
    )
    .unwrap();
    assert!(breakdown.splits.values().all(|s| s.sampled.is_none()));
}

/// The designed names and shapes, read from the text of the lines themselves.
#[test]
fn lines_have_the_designed_shape() {
    let breakdown = evaluate(&PROBLEMS, &outcomes(), &sampling()).unwrap();
    let line = breakdown.into_line(
        3,
        None,
        Holdout::Case,
        EvaluationSeconds {
            generate: 40.1,
            verify: 3.0,
        },
    );
    let text = serde_json::to_string(&line).unwrap();
    let start = r#"{"iteration":3,"adapter":null,"holdout":"case","splits":{"train":{"total":2,"correct":1,"accuracy":0.5,"ci95":[0.094531,0.905469],"#;
    assert!(text.starts_with(start), "{text}");
    for part in [
        r#""sampled":{"n":4,"temperature":0.8,"top_p":1.0,"pass_at":{"1":0.125,"4":0.5}"#,
        r#""families":{"gcd":{"test":{"total":1,"correct":0,"#,
        r#""grokking":{"phase":"none","onset":null},"seconds":{"generate":40.1,"verify":3.0}}"#,
        r#""verdicts":{"passed":1,"wrong_answer":1}"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(serde_json::from_str::<MetricsLine>(&text).unwrap(), line);

    let rollouts = RolloutCounts::of(
        [
            &verification(Verdict::Passed, 1, 4),
            &verification(Verdict::Timeout, 0, 0),
        ],
        1,
    )
    .unwrap();
    let training = Training {
        examples: 28,
        tokens: 5400,
        steps: 8,
        first_loss: Some(0.9),
        last_loss: Some(0.2),
    };
    let seconds = IterationSeconds {
        generate: 40.1,
        verify: 3.0,
        train: 61.0,
    };
    let line = IterationLine {
        iteration: 3,
        adapter_in: None,
        adapter_out: Some(Digest::of(b"x")),
        rollouts,
        training,
        seconds,
    };
    let text = serde_json::to_string(&line).unwrap();
    let (start, end) = (
        r#"{"iteration":3,"adapter_in":null,"adapter_out":"sha256:2d71"#,
        concat!(
            r#""rollouts":{"total":2,"correct":1,"shortcuts":0,"selected":1,"verdicts":{"passed":1,"timeout":1}},"#,
            r#""training":{"examples":28,"tokens":5400,"steps":8,"first_loss":0.9,"last_loss":0.2},"seconds":{"generate":40.1,"verify":3.0,"train":61.0}}"#
        ),
    );
    assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    assert_eq!(serde_json::from_str::<IterationLine>(&text).unwrap(), line);
}
