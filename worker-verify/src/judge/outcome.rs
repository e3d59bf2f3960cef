//! A verdict and what it rests on.

use std::{error::Error as _, time::Duration};

use groklab_domain::{Tally, Verdict, Verification};

use crate::{judge::submission::Case, sandbox::InfrastructureError};

/// The first case that was not passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its position among the cases, from 0.
    pub case: usize,
    /// What was returned or raised, as Python shows it, shortened; nothing if no answer came.
    pub got: Option<String>,
    pub expected: String,
}

/// What the second sandbox said of a candidate that passed in the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondOpinion {
    Agrees,
    /// It gave another verdict, which is the one that counts.
    Differs,
    /// It failed for reasons of its own.
    Missing,
}

/// Everything that is known of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    pub visible: Tally,
    pub hidden: Tally,
    pub first_failure: Option<Failure>,
    pub error: Option<String>,
    pub cpu: Duration,
    pub wall: Duration,
    /// See [`crate::sandbox::RawRun::peak_memory_bytes`]: an upper bound, good for comparing only
    /// above the size of an interpreter.
    pub peak_memory_bytes: u64,
    /// If one was asked for.
    pub second_opinion: Option<SecondOpinion>,
}

impl Outcome {
    /// The part that the domain keeps.
    pub fn verification(&self) -> Verification {
        Verification {
            verdict: self.verdict,
            visible: self.visible,
            hidden: self.hidden,
        }
    }

    /// A verdict on a candidate of which no case was answered.
    pub(crate) fn unanswered(verdict: Verdict, reason: Option<String>, cases: &[Case]) -> Self {
        let [visible, hidden] = tallies(cases, &[]);
        Self {
            verdict,
            visible,
            hidden,
            first_failure: None,
            error: reason,
            cpu: Duration::ZERO,
            wall: Duration::ZERO,
            peak_memory_bytes: 0,
            second_opinion: None,
        }
    }

    /// A failure of ours, with the whole chain of reasons.
    pub fn infrastructure(error: &InfrastructureError, cases: &[Case]) -> Self {
        let mut reasons = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            reasons.push(cause.to_string());
            source = cause.source();
        }
        Self::unanswered(
            Verdict::InfrastructureError,
            Some(reasons.join(": ")),
            cases,
        )
    }
}

/// Visible and hidden, from the cases and the leading part of them that was answered.
pub(crate) fn tallies(cases: &[Case], passed: &[bool]) -> [Tally; 2] {
    // A case that was not answered is one that was not passed.
    let answers = passed.iter().copied().chain(std::iter::repeat(false));
    let mut tallies = [Tally::default(); 2];
    for (case, passed) in cases.iter().zip(answers) {
        let tally = &mut tallies[usize::from(!case.visible)];
        tally.total += 1;
        tally.passed += u32::from(passed);
    }
    tallies
}
