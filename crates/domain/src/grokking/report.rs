//! What comes out of the search for grokking.

use serde::{Deserialize, Serialize};

use super::shape::Rise;
use crate::stats::Interval;
use crate::words::words;

words! {
    /// How far a series has come.
    pub enum Phase {
        None = "none",
        // Older lines told a plateau after memorising apart.
        #[serde(alias = "plateau")]
        Memorised = "memorised",
        Delayed = "delayed",
        Grokked = "grokked",
        Emerged = "emerged",
    }
}

words! {
    /// What later evaluations may still change: all of it; no more than by unlearning; nothing, as
    /// there are none.
    pub enum Certainty {
        Provisional = "provisional",
        Confirmed = "confirmed",
        Final = "final",
    }
}

impl UnitCounts {
    /// So many in each split.
    pub fn equal(units: usize) -> Self {
        Self {
            train: units,
            val: units,
            test: units,
        }
    }
}

impl Certainty {
    /// Confirmed once the level after a rise has been held for as long as its second half took, at
    /// three evaluations at least.
    pub(super) fn after(rise: &Rise, times: &[f64]) -> Self {
        let held = times.len() - times.partition_point(|&time| time < rise.t90);
        let long = |last: &f64| last - rise.t90 >= rise.t90 - rise.t50;
        if held >= 3 && times.last().is_some_and(long) {
            Self::Confirmed
        } else {
            Self::Provisional
        }
    }
}

/// A number with its 95 % interval over units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub estimate: f64,
    pub ci95: Interval,
}

/// How many units each split has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnitCounts {
    pub train: usize,
    pub val: usize,
    pub test: usize,
}

/// What a series shows. Times are in the series' own: iterations, or steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub phase: Phase,
    pub certainty: Certainty,
    pub units: UnitCounts,
    /// When train was memorised.
    pub memorised: Option<f64>,
    /// When a tenth, half and nine tenths of val's rise were reached.
    pub t10: Option<f64>,
    pub t50: Option<f64>,
    pub t90: Option<f64>,
    /// By how much val rose from memorising on (for `emerged`: from the start).
    pub rise: Option<Estimate>,
    /// t50 over the time of memorising: how many times as long generalising took.
    pub delay: Option<Estimate>,
    /// (t90 - t10) / (t50 - time of memorising): the rise as a multiple of the wait for it.
    pub width: Option<Estimate>,
    /// Val less test in the end, and its upper bound.
    pub test_below_val: Option<f64>,
    pub test_below_val_at_most: Option<f64>,
    /// In words: what was found, or why it is no more than this phase.
    pub reason: String,
}

impl Report {
    /// Nothing found yet, with the `reason`.
    pub(super) fn nothing(units: UnitCounts, reason: String) -> Self {
        Self {
            phase: Phase::None,
            certainty: Certainty::Provisional,
            units,
            memorised: None,
            t10: None,
            t50: None,
            t90: None,
            rise: None,
            delay: None,
            width: None,
            test_below_val: None,
            test_below_val_at_most: None,
            reason,
        }
    }

    /// Six decimals in all numbers: people read them too.
    pub(crate) fn tidy(mut self) -> Self {
        let times = [
            &mut self.memorised,
            &mut self.t10,
            &mut self.t50,
            &mut self.t90,
            &mut self.test_below_val,
            &mut self.test_below_val_at_most,
        ];
        for number in times.into_iter().flatten() {
            *number = six_decimals(*number);
        }
        for estimate in [&mut self.rise, &mut self.delay, &mut self.width]
            .into_iter()
            .flatten()
        {
            estimate.estimate = six_decimals(estimate.estimate);
            estimate.ci95.lower = six_decimals(estimate.ci95.lower);
            estimate.ci95.upper = six_decimals(estimate.ci95.upper);
        }
        self
    }

    /// When val had risen by half, for the phases in which that was shown.
    pub fn onset(&self) -> Option<f64> {
        self.t50.filter(|_| self.phase.generalised())
    }
}

impl Phase {
    /// Whether generalising was shown to come long after memorising.
    pub fn late(self) -> bool {
        matches!(self, Self::Delayed | Self::Grokked)
    }

    /// Whether a rise of val and test was shown.
    pub fn generalised(self) -> bool {
        self.late() || self == Self::Emerged
    }
}

fn six_decimals(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
