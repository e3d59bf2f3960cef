//! Results as they come over the wire and lie in an export: lines of JSON. `metrics.jsonl` and `iterations.jsonl` have their shapes
//! in the domain; a line of `rollouts.jsonl` is read here as far as it is shown.

use std::collections::BTreeMap;

use groklab_domain::{
    Purpose, Split, Verdict,
    metrics::{Comparison, ProblemResult, compare},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::failure::Failure;

/// A line of `rollouts.jsonl`: one completion and its verdict.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rollout {
    pub iteration: u32,
    pub purpose: Purpose,
    pub split: Split,
    pub family: String,
    pub rule: String,
    pub problem: u32,
    /// Of an evaluation, 0 is the greedy one.
    pub sample: u32,
    pub text: String,
    /// Absent, like `correct` and `shortcut`, while there is none.
    pub verdict: Option<Verdict>,
    pub correct: Option<bool>,
    pub shortcut: Option<bool>,
    #[serde(default)]
    pub visible: Option<Tally>,
    #[serde(default)]
    pub hidden: Option<Tally>,
    #[serde(default)]
    pub cpu_ms: Option<f64>,
    #[serde(default)]
    pub peak_memory_kb: Option<u64>,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub first_failure: Option<FirstFailure>,
}

/// How many cases of a kind were passed.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Tally {
    pub passed: u32,
    pub total: u32,
}

/// The first case that a candidate failed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FirstFailure {
    pub case: u32,
    pub got: String,
    pub expected: String,
}

/// Reads one line; the error names `what` it should be.
pub fn line<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Failure> {
    serde_json::from_str(json)
        .map_err(|error| Failure::other(format!("read {what}")).because(error))
}

/// Reads every line.
pub fn lines<T: DeserializeOwned>(what: &str, texts: &[String]) -> Result<Vec<T>, Failure> {
    texts.iter().map(|json| line(what, json)).collect()
}

/// What became of each problem in one evaluation, by its ordinal.
#[derive(Debug, Clone, Default)]
pub struct Outcomes(BTreeMap<u32, (Option<bool>, ProblemResult)>);

impl Outcomes {
    /// Counts an evaluation's rollout in, unless it has no verdict: that is not a wrong answer.
    pub fn count(&mut self, rollout: &Rollout) {
        let Some(correct) = rollout.correct else {
            return;
        };
        let (greedy, result) = self
            .0
            .entry(rollout.problem)
            .or_insert_with(|| (None, untried(rollout)));
        if rollout.sample == 0 {
            *greedy = Some(correct);
            result.greedy = correct;
        } else {
            result.samples += 1;
            result.correct += u32::from(correct);
        }
    }

    /// How many problems there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// With other ordinals; those that get none are left out.
    pub fn renumbered(&self, ordinal: impl Fn(u32) -> Option<u32>) -> Self {
        let renumber = |(&old, (greedy, result)): (&u32, &(Option<bool>, ProblemResult))| {
            let problem = ordinal(old)?;
            Some((
                problem,
                (
                    *greedy,
                    ProblemResult {
                        problem,
                        ..result.clone()
                    },
                ),
            ))
        };
        Self(self.0.iter().filter_map(renumber).collect())
    }

    /// The problems that `other` has too.
    pub fn only(&self, other: &Self) -> Self {
        self.renumbered(|ordinal| other.0.contains_key(&ordinal).then_some(ordinal))
    }

    /// Those whose greedy completion was judged, in order of the problem.
    fn judged(&self) -> Vec<ProblemResult> {
        self.0
            .values()
            .filter(|(greedy, _)| greedy.is_some())
            .map(|(_, result)| result.clone())
            .collect()
    }

    /// This evaluation against a later one of the same problems; `None` where they can't be compared.
    pub fn against(&self, later: &Self) -> Option<Comparison> {
        let (before, after) = (self.judged(), later.judged());
        let sampled = before.iter().chain(&after).all(|result| result.samples > 0);
        let ks: &[u32] = if sampled { &[1] } else { &[] };
        compare(&before, &after, ks).ok()
    }
}

fn untried(rollout: &Rollout) -> ProblemResult {
    ProblemResult {
        problem: rollout.problem,
        split: rollout.split,
        family: rollout.family.clone(),
        rule: rollout.rule.clone(),
        greedy: false,
        samples: 0,
        correct: 0,
    }
}

/// Lines as tests use them.
#[cfg(test)]
pub mod sample {
    use groklab_domain::metrics::{IterationLine, MetricsLine};

    use super::*;

    /// Test: `correct` of 64 greedy, pass@1 58.2 %; train: 48 of 48.
    pub fn metrics(iteration: u32, correct: u32) -> MetricsLine {
        let accuracy = f64::from(correct) / 64.0;
        let json = format!(
            r#"{{"iteration": {iteration}, "adapter": null, "holdout": "case", "splits": {{
            "test": {{"total": 64, "correct": {correct}, "accuracy": {accuracy}, "ci95": [0.518, 0.747], "ci95_clustered": null, "shortcuts": 3,
                "verdicts": {{"passed": {correct}}}, "sampled": {{"n": 4, "temperature": 0.8, "top_p": 1.0, "pass_at": {{"1": 0.582, "4": 0.75}},
                "ci95_clustered": {{"1": [0.5, 0.66]}}, "total": 256, "correct": 149, "shortcuts": 9, "verdicts": {{"passed": 149}}}}}},
            "train": {{"total": 48, "correct": 48, "accuracy": 1.0, "ci95": [0.926, 1.0], "ci95_clustered": null, "shortcuts": 0, "verdicts": {{"passed": 48}}}}}},
            "families": {{"rpn": {{"test": {{"total": 32, "correct": 8}}}}}}, "rules": {{}}, "grokking": {{"phase": "memorised", "onset": null}},
            "seconds": {{"generate": 40.0, "verify": 3.0}}}}"#
        );
        line("a line of metrics", &json).unwrap()
    }

    pub fn iteration(iteration: u32) -> IterationLine {
        let json = format!(
            r#"{{"iteration": {iteration}, "adapter_in": null, "adapter_out": null, "rollouts": {{"total": 120, "correct": 41, "shortcuts": 6,
            "selected": 28, "verdicts": {{"passed": 41, "wrong_answer": 70, "syntax_error": 9}}}},
            "training": {{"examples": 28, "tokens": 5400, "steps": 8, "first_loss": 0.9, "last_loss": 0.2}},
            "seconds": {{"generate": 40.0, "verify": 3.0, "train": 61.0}}}}"#
        );
        line("a line of iterations", &json).unwrap()
    }

    /// A rollout of the test split.
    pub fn rollout(iteration: u32, problem: u32, sample: u32, correct: Option<bool>) -> Rollout {
        let verdict = correct.map(|correct| {
            if correct {
                Verdict::Passed
            } else {
                Verdict::WrongAnswer
            }
        });
        Rollout {
            iteration,
            purpose: Purpose::Eval,
            split: Split::Test,
            family: "rpn".into(),
            rule: "plain".into(),
            problem,
            sample,
            text: "```python\ndef f(): ...\n```".into(),
            verdict,
            correct,
            shortcut: correct.map(|_| false),
            visible: None,
            hidden: None,
            cpu_ms: None,
            peak_memory_kb: None,
            code: Some("def f(): ...".into()),
            error: None,
            first_failure: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{sample::rollout, *};

    #[test]
    fn problems_are_compared_one_by_one() {
        let outcomes = |iteration, greedy: fn(u32) -> bool, sampled: fn(u32) -> bool| {
            let mut outcomes = Outcomes::default();
            for problem in 0..40 {
                outcomes.count(&rollout(iteration, problem, 0, Some(greedy(problem))));
                (1..5).for_each(|sample| {
                    outcomes.count(&rollout(iteration, problem, sample, Some(sampled(sample))))
                });
            }
            outcomes
        };
        let before = outcomes(0, |p| p < 10, |s| s == 1);
        let after = outcomes(3, |p| (5..30).contains(&p), |s| s < 4);
        let comparison = before.against(&after).unwrap();
        assert_eq!(
            (
                comparison.problems,
                comparison.greedy.mcnemar.gained,
                comparison.greedy.mcnemar.lost
            ),
            (40, 20, 5)
        );
        assert!((comparison.pass_at[&1].paired.difference - 0.5).abs() < 1e-12);
        assert_eq!(before.against(&Outcomes::default()), None);
    }

    #[test]
    fn what_has_no_verdict_is_not_wrong() {
        let mut outcomes = Outcomes::default();
        for (sample, correct) in [
            (0, Some(true)),
            (1, Some(true)),
            (2, Some(false)),
            (3, None),
        ] {
            outcomes.count(&rollout(0, 7, sample, correct));
        }
        outcomes.count(&rollout(0, 8, 0, None));
        let judged = outcomes.judged();
        assert_eq!(judged.len(), 1);
        assert_eq!(
            (judged[0].greedy, judged[0].samples, judged[0].correct),
            (true, 2, 1)
        );
    }
}
