//! The two kinds of line, field by field. Fields may be added, never renamed; `seconds` alone may
//! differ between two runs of one file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::grokking::{Certainty, Phase, Report};
use crate::stats::Interval;
use crate::{Digest, Holdout, Split, Verdict, Verification};

use super::error::Error;

/// Only the splits that have problems, in the order train, val, test, ood.
pub type BySplit<T> = BTreeMap<Split, T>;

/// One evaluated iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsLine {
    pub iteration: u32,
    /// `null`: the untrained model.
    pub adapter: Option<Digest>,
    pub holdout: Holdout,
    pub splits: BySplit<SplitMetrics>,
    pub families: BTreeMap<String, BySplit<Share>>,
    /// By `family/rule`.
    pub rules: BTreeMap<String, BySplit<Share>>,
    /// By unit, where that is not the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<BTreeMap<String, BySplit<Share>>>,
    pub grokking: Grokking,
    pub seconds: EvaluationSeconds,
}

/// One split: greedy, but for `sampled`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitMetrics {
    /// Problems.
    pub total: u32,
    pub correct: u32,
    pub accuracy: f64,
    /// Wilson's interval: a statement on these problems.
    pub ci95: Interval,
    /// What passes or fails together: rules, as a rule. 0 in lines of older versions.
    #[serde(default)]
    pub units: u32,
    /// Over units: a statement on units like these. `null` where there is only one.
    pub ci95_clustered: Option<Interval>,
    pub shortcuts: u32,
    pub verdicts: BTreeMap<Verdict, u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
}

/// The sampled set of a split, apart from the greedy one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampled {
    /// Samples per problem.
    pub n: u32,
    pub temperature: f64,
    pub top_p: f64,
    /// By k; the mean over problems of the unbiased estimator.
    pub pass_at: BTreeMap<u32, f64>,
    /// By k, over units; empty where there is only one.
    pub ci95_clustered: BTreeMap<u32, Interval>,
    /// Samples of all problems.
    pub total: u32,
    pub correct: u32,
    pub shortcuts: u32,
    pub verdicts: BTreeMap<Verdict, u32>,
}

/// Problems of a family or rule, solved greedily, and their samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Share {
    pub total: u32,
    pub correct: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Count>,
}

/// Correct ones of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Count {
    pub total: u32,
    pub correct: u32,
}

/// What the series up to this line shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grokking {
    pub phase: Phase,
    /// The iteration at which half of the rise was reached, where one was shown.
    pub onset: Option<u32>,
    /// All that the search found; lines of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// The same of each family that has enough units by itself, at an error shared among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub families: BTreeMap<String, Report>,
}

impl Grokking {
    /// Makes it the verdict: no evaluation comes after it.
    pub fn close(&mut self) {
        for report in self.report.iter_mut().chain(self.families.values_mut()) {
            report.certainty = Certainty::Final;
        }
    }
}

impl From<Report> for Grokking {
    fn from(report: Report) -> Self {
        Self {
            phase: report.phase,
            // Iterations are whole; the report has the time between two of them.
            onset: report.onset().map(|time| time.ceil() as u32),
            report: Some(report.tidy()),
            families: BTreeMap::new(),
        }
    }
}

/// Worker time, summed over jobs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EvaluationSeconds {
    pub generate: f64,
    pub verify: f64,
}

/// One training iteration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IterationLine {
    pub iteration: u32,
    /// `null`: the untrained model.
    pub adapter_in: Option<Digest>,
    /// Equal to `adapter_in` where nothing was correct to train on.
    pub adapter_out: Option<Digest>,
    pub rollouts: RolloutCounts,
    pub training: Training,
    pub seconds: IterationSeconds,
}

/// The rollouts of one iteration's train problems.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RolloutCounts {
    pub total: u32,
    pub correct: u32,
    pub shortcuts: u32,
    /// Those the model was trained on.
    pub selected: u32,
    pub verdicts: BTreeMap<Verdict, u32>,
}

/// What training did; all 0 and `null` where there was nothing to train on.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Training {
    pub examples: u64,
    pub tokens: u64,
    pub steps: u64,
    pub first_loss: Option<f64>,
    pub last_loss: Option<f64>,
}

/// Worker time, summed over jobs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct IterationSeconds {
    pub generate: f64,
    pub verify: f64,
    pub train: f64,
}

impl MetricsLine {
    /// The shares of each unit.
    pub fn units(&self) -> &BTreeMap<String, BySplit<Share>> {
        self.units.as_ref().unwrap_or(&self.rules)
    }
}

impl RolloutCounts {
    /// Counts verifications; `selected` is the size of the training set made of them.
    ///
    /// # Errors
    /// An infrastructure error among them: it says nothing about a candidate and has no place in a
    /// denominator.
    pub fn of<'a>(
        verifications: impl IntoIterator<Item = &'a Verification>,
        selected: u32,
    ) -> Result<Self, Error> {
        let mut counts = Self {
            selected,
            ..Self::default()
        };
        for verification in verifications {
            // It would lower the accuracy for a failure that was ours.
            if verification.verdict == Verdict::InfrastructureError {
                return Err(Error::NotAVerdict { problem: None });
            }
            counts.total += 1;
            counts.correct += u32::from(verification.correct());
            counts.shortcuts += u32::from(verification.shortcut());
            *counts.verdicts.entry(verification.verdict).or_default() += 1;
        }
        Ok(counts)
    }
}
