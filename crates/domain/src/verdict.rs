//! Verdicts: what verification says about a candidate, and when a rollout counts as correct.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// What verification found. [`Verdict::InfrastructureError`] says nothing about the candidate
    /// and is retried.
    pub enum Verdict {
        Passed = "passed",
        WrongAnswer = "wrong_answer",
        RuntimeError = "runtime_error",
        Timeout = "timeout",
        OutOfMemory = "out_of_memory",
        OutputLimit = "output_limit",
        SyntaxError = "syntax_error",
        MissingFunction = "missing_function",
        NoCode = "no_code",
        Forbidden = "forbidden",
        InfrastructureError = "infrastructure_error",
    }
}

/// One rollout's verdict with the counts behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    pub verdict: Verdict,
    /// Cases passed among those shown in the prompt, and how many those are.
    pub visible: Tally,
    /// Cases passed among the hidden ones, and how many those are.
    pub hidden: Tally,
}

/// `passed` of `total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    pub passed: u32,
    pub total: u32,
}

impl Tally {
    pub fn all(self) -> bool {
        self.passed == self.total
    }
}

impl Verification {
    /// Passed every visible and hidden case.
    pub fn correct(&self) -> bool {
        self.verdict == Verdict::Passed
    }

    /// Passed every visible case (at least one) and failed a hidden one: how models cheat.
    pub fn shortcut(&self) -> bool {
        !self.correct() && self.visible.total > 0 && self.visible.all() && !self.hidden.all()
    }
}
