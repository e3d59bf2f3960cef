//! What goes into the search for grokking: for each unit of each split, the share of its problems
//! that were solved at each evaluation.

/// Problems that fall together, as those of a rule do.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// How many problems it has: its weight in the split's accuracy.
    pub problems: f64,
    /// The share of them solved, for each evaluation.
    pub rates: Vec<f64>,
}

/// Evaluations in order of time. Every unit has a rate for each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Ascending from 0 or later: iterations, or optimiser steps.
    pub times: Vec<f64>,
    pub train: Vec<Unit>,
    pub val: Vec<Unit>,
    pub test: Vec<Unit>,
    /// The same units of val by sampled rollouts, where there are any: a measure that moves
    /// continuously where greedy decoding makes steps of it.
    pub val_sampled: Option<Vec<Unit>>,
}

impl Series {
    /// The first evaluations alone, as they were known then.
    pub fn first(&self, evaluations: usize) -> Self {
        let cut = |units: &[Unit]| -> Vec<Unit> {
            let cut_unit = |unit: &Unit| Unit {
                problems: unit.problems,
                rates: unit.rates[..evaluations].to_vec(),
            };
            units.iter().map(cut_unit).collect()
        };
        Self {
            times: self.times[..evaluations].to_vec(),
            train: cut(&self.train),
            val: cut(&self.val),
            test: cut(&self.test),
            val_sampled: self.val_sampled.as_deref().map(cut),
        }
    }
}

/// The accuracy over all problems at each evaluation; all 0 without units.
pub(super) fn accuracy(units: &[Unit], evaluations: usize) -> Vec<f64> {
    weighted(units, evaluations, |_| 1.0)
}

/// The same where each unit counts so many times.
pub(super) fn weighted(
    units: &[Unit],
    evaluations: usize,
    times_drawn: impl Fn(usize) -> f64,
) -> Vec<f64> {
    let mut sums = vec![0.0; evaluations];
    let mut problems = 0.0;
    for (place, unit) in units.iter().enumerate() {
        let weight = unit.problems * times_drawn(place);
        if weight > 0.0 {
            problems += weight;
            for (sum, rate) in sums.iter_mut().zip(&unit.rates) {
                *sum += weight * rate;
            }
        }
    }
    if problems > 0.0 {
        sums.iter_mut().for_each(|sum| *sum /= problems);
    }
    sums
}
