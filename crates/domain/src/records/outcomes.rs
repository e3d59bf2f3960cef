//! What became of each problem in one evaluation, and how two evaluations of one set of problems
//! compare.

use std::collections::BTreeMap;

use super::rollout::RolloutLine;
use crate::Split;
use crate::metrics::{Comparison, ProblemResult, compare};

/// A verified rollout of an evaluation, as far as a comparison needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluatedSample<'a> {
    /// The problem's ordinal.
    pub problem: u32,
    pub split: Split,
    pub family: &'a str,
    pub rule: &'a str,
    /// 0 is the greedy one.
    pub sample: u32,
    pub correct: bool,
}

/// By the problem's ordinal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcomes(BTreeMap<u32, Outcome>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    /// Whether the greedy rollout has been counted.
    judged: bool,
    result: ProblemResult,
}

impl Outcomes {
    pub fn count(&mut self, sample: EvaluatedSample<'_>) {
        let untried = || Outcome {
            judged: false,
            result: ProblemResult {
                problem: sample.problem,
                split: sample.split,
                family: sample.family.to_owned(),
                rule: sample.rule.to_owned(),
                greedy: false,
                samples: 0,
                correct: 0,
            },
        };
        let outcome = self.0.entry(sample.problem).or_insert_with(untried);
        // An evaluation's sample 0 is the greedy completion; it is no sample of pass@k.
        if sample.sample == 0 {
            outcome.judged = true;
            outcome.result.greedy = sample.correct;
        } else {
            outcome.result.samples += 1;
            outcome.result.correct += u32::from(sample.correct);
        }
    }

    /// Counts a line of an evaluation, unless it has no verdict: that is not a wrong answer.
    pub fn count_line(&mut self, line: &RolloutLine) {
        let Some(correct) = line.correct else { return };
        self.count(EvaluatedSample {
            problem: line.problem,
            split: line.split,
            family: &line.family,
            rule: &line.rule,
            sample: line.sample,
            correct,
        });
    }

    /// How many problems there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With other ordinals; problems that get none are left out.
    pub fn renumbered(&self, ordinal: impl Fn(u32) -> Option<u32>) -> Self {
        let mut renumbered = BTreeMap::new();
        for (&old, outcome) in &self.0 {
            if let Some(problem) = ordinal(old) {
                let mut outcome = outcome.clone();
                outcome.result.problem = problem;
                renumbered.insert(problem, outcome);
            }
        }
        Self(renumbered)
    }

    /// The problems that `other` has too.
    pub fn shared_with(&self, other: &Self) -> Self {
        let mut shared = self.clone();
        shared.0.retain(|ordinal, _| other.0.contains_key(ordinal));
        shared
    }

    /// Those whose greedy completion was judged, in order of the problem.
    fn judged(&self) -> Vec<ProblemResult> {
        let mut judged = Vec::new();
        for outcome in self.0.values() {
            if outcome.judged {
                judged.push(outcome.result.clone());
            }
        }
        judged
    }

    /// This evaluation against a later one of the same problems; `None` where they can't be
    /// compared: too few problems, or not the same ones.
    pub fn against(&self, later: &Self) -> Option<Comparison> {
        let (before, after) = (self.judged(), later.judged());
        // Without samples on one side there is no pass@k to compare.
        let samples = before.iter().chain(&after).map(|result| result.samples);
        let ks: &[u32] = match samples.min().unwrap_or(0) {
            0 => &[],
            1 => &[1],
            // One, and as many as all problems on both sides have.
            most => &[1, most],
        };
        compare(&before, &after, ks).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(problem: u32, sample: u32, correct: bool) -> EvaluatedSample<'static> {
        EvaluatedSample {
            problem,
            split: Split::Test,
            family: "rpn",
            rule: "plain",
            sample,
            correct,
        }
    }

    fn outcomes(greedy: fn(u32) -> bool, sampled: fn(u32) -> bool) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for problem in 0..40 {
            outcomes.count(sample(problem, 0, greedy(problem)));
            for number in 1..5 {
                outcomes.count(sample(problem, number, sampled(number)));
            }
        }
        outcomes
    }

    #[test]
    fn problems_are_compared_one_by_one() {
        let before = outcomes(|p| p < 10, |s| s == 1);
        let after = outcomes(|p| (5..30).contains(&p), |s| s < 4);
        let comparison = before.against(&after).unwrap();
        let mcnemar = comparison.mcnemar;
        assert_eq!(
            (comparison.problems, mcnemar.gained, mcnemar.lost),
            (40, 20, 5)
        );
        assert!((comparison.pass_at[&1].over_problems.difference - 0.5).abs() < 1e-12);
        assert_eq!(before.against(&Outcomes::default()), None);
    }

    #[test]
    fn what_has_no_greedy_verdict_is_not_compared() {
        let mut outcomes = Outcomes::default();
        for (number, correct) in [(0, true), (1, true), (2, false)] {
            outcomes.count(sample(7, number, correct));
        }
        outcomes.count(sample(8, 1, true));
        let judged = outcomes.judged();
        assert_eq!((outcomes.len(), judged.len()), (2, 1));
        assert_eq!(
            (judged[0].greedy, judged[0].samples, judged[0].correct),
            (true, 2, 1)
        );
    }

    #[test]
    fn the_same_problem_may_have_another_number() {
        let before = outcomes(|p| p < 10, |_| false);
        let after = before.renumbered(|ordinal| ordinal.checked_sub(20));
        assert_eq!(after.len(), 20);
        let back = after.renumbered(|ordinal| Some(ordinal + 20));
        assert_eq!(before.shared_with(&back), back);
    }
}
