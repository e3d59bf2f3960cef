//! A line of `rollouts.jsonl`: one completion, its verdict, and what it cost.

use serde::{Deserialize, Serialize};

use crate::candidate::{Candidate, Reason};
use crate::{Finish, Purpose, Split, Tally, Verdict};

/// One completion. Everything from `verdict` on is absent until it has been verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutLine {
    pub iteration: u32,
    pub purpose: Purpose,
    pub split: Split,
    pub family: String,
    pub rule: String,
    /// The problem's ordinal.
    pub problem: u32,
    /// Of an evaluation, 0 is the greedy one.
    pub sample: u32,
    pub greedy: bool,
    /// What the model wrote; bytes that are not UTF-8 are replaced.
    pub text: String,
    pub tokens: u32,
    pub prompt_tokens: u32,
    pub finish: Finish,
    pub mean_logprob: f64,
    /// Which bytes of the completion are the code, and why.
    pub candidate: Option<CandidateSpan>,
    pub verdict: Option<Verdict>,
    pub correct: Option<bool>,
    pub shortcut: Option<bool>,
    pub visible: Option<Tally>,
    pub hidden: Option<Tally>,
    pub first_failure: Option<FirstFailure>,
    pub error: Option<String>,
    /// The candidate as it was run.
    pub code: Option<String>,
    pub cpu_ms: Option<f64>,
    pub wall_ms: Option<f64>,
    pub peak_memory_kb: Option<u64>,
}

impl RolloutLine {
    /// Whether the rollout of this purpose and number is the greedy one of its problem.
    pub fn is_greedy(purpose: Purpose, sample: u32) -> bool {
        purpose == Purpose::Eval && sample == 0
    }
}

/// Bytes of a completion, from the first to the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateSpan {
    pub start: usize,
    pub end: usize,
    pub reason: Reason,
}

impl From<Candidate> for CandidateSpan {
    fn from(candidate: Candidate) -> Self {
        Self {
            start: candidate.start,
            end: candidate.end,
            reason: candidate.reason,
        }
    }
}

/// The first case that a candidate failed; the values are escaped and of limited length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstFailure {
    /// The case's place in its problem.
    pub case: u32,
    pub got: String,
    pub expected: String,
}

/// Which rollouts somebody wants to read; `None` means any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RolloutFilter {
    pub iteration: Option<u32>,
    pub purpose: Option<Purpose>,
    pub split: Option<Split>,
    pub family: Option<String>,
    pub problem: Option<u32>,
    pub verdict: Option<Verdict>,
}

impl RolloutFilter {
    /// The rollouts of one evaluation on one split.
    pub fn evaluation(iteration: u32, split: Split) -> Self {
        Self {
            iteration: Some(iteration),
            purpose: Some(Purpose::Eval),
            split: Some(split),
            ..Self::default()
        }
    }

    pub fn accepts(&self, rollout: &RolloutLine) -> bool {
        allows(self.iteration, rollout.iteration)
            && allows(self.purpose, rollout.purpose)
            && allows(self.split, rollout.split)
            && allows(self.family.as_ref(), &rollout.family)
            && allows(self.problem, rollout.problem)
            // A rollout that waits for its verdict has none of them.
            && (self.verdict.is_none() || self.verdict == rollout.verdict)
    }
}

fn allows<T: PartialEq>(wanted: Option<T>, found: T) -> bool {
    wanted.is_none() || wanted == Some(found)
}
