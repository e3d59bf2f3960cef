//! Plateaus: stretches of evaluations over which accuracy is shown not to rise by more than a
//! little.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Evaluation, Parameters, Score};
use crate::stats::student_quantile;

/// A plateau of val.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// Its first and last evaluated iteration.
    pub from: u32,
    pub to: u32,
    /// Mean accuracies over it.
    pub train: f64,
    pub val: f64,
    /// The upper bound of val's slope times the length.
    pub rise_bound: f64,
}

/// Which plateau is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Val is flat, well below train.
    Memorised,
    /// Train and val are flat, and low at every evaluation.
    Low,
}

/// The longest plateau whose last evaluation is `series[last]` and which begins at `earliest` or
/// later.
pub(super) fn ending_at(
    series: &[Evaluation],
    earliest: usize,
    last: usize,
    kind: Kind,
    parameters: &Parameters,
) -> Option<Plateau> {
    let latest_start = (last + 1).checked_sub(parameters.plateau)?;
    // The earliest start first, so the longest stretch is found.
    (earliest..=latest_start).find_map(|first| over(&series[first..=last], kind, parameters))
}

/// The longest plateau that ends within `ends`, a later end going before a longer plateau.
pub(super) fn latest(
    series: &[Evaluation],
    earliest: usize,
    ends: Range<usize>,
    kind: Kind,
    parameters: &Parameters,
) -> Option<Plateau> {
    ends.rev()
        .find_map(|last| ending_at(series, earliest, last, kind, parameters))
}

fn over(stretch: &[Evaluation], kind: Kind, parameters: &Parameters) -> Option<Plateau> {
    let (first, last) = (stretch.first()?, stretch.last()?);
    let (train, val) = (mean(stretch, |e| e.train), mean(stretch, |e| e.val));
    let fits = match kind {
        Kind::Memorised => train - val >= parameters.gap,
        Kind::Low => stretch
            .iter()
            .all(|e| e.train.rate() < parameters.low && e.val.rate() < parameters.low),
    };
    if !fits || (kind == Kind::Low && rise_bound(stretch, |e| e.train) > parameters.flat) {
        return None;
    }
    let rise_bound = rise_bound(stretch, |e| e.val);
    (rise_bound <= parameters.flat).then_some(Plateau {
        from: first.iteration,
        to: last.iteration,
        train,
        val,
        rise_bound,
    })
}

pub(super) fn mean(stretch: &[Evaluation], split: impl Fn(&Evaluation) -> Score) -> f64 {
    stretch.iter().map(|e| split(e).rate()).sum::<f64>() / stretch.len().max(1) as f64
}

/// The one-sided 95 % upper bound of the slope per iteration, times the stretch's length in
/// iterations.
///
/// Least squares of the rate on the iteration, weighted by problems, with a quasi-binomial
/// variance: the dispersion is what is left about the line, on n - 2 degrees of freedom (Student's
/// t). A plain binomial variance would be too large here, for each evaluation asks the very same
/// problems, most of which a model always or never solves. What is left is never taken to be below
/// the rounding of a count (1/12 of a problem squared), so that equal counts don't claim certainty.
fn rise_bound(stretch: &[Evaluation], split: impl Fn(&Evaluation) -> Score) -> f64 {
    let points: Vec<(f64, f64, f64)> = stretch
        .iter()
        .map(|e| {
            (
                f64::from(e.iteration),
                split(e).rate(),
                f64::from(split(e).total),
            )
        })
        .collect();
    let weight: f64 = points.iter().map(|(_, _, w)| w).sum();
    // A line through two points leaves nothing to estimate the variance by.
    let (Some((first, ..)), Some((last, ..)), 3..) = (points.first(), points.last(), points.len())
    else {
        return f64::INFINITY;
    };
    if weight <= 0.0 {
        return f64::INFINITY;
    }
    let mean_x = points.iter().map(|(x, _, w)| w * x).sum::<f64>() / weight;
    let mean_y = points.iter().map(|(_, y, w)| w * y).sum::<f64>() / weight;
    let spread: f64 = points
        .iter()
        .map(|(x, _, w)| w * (x - mean_x).powi(2))
        .sum();
    let slope = points
        .iter()
        .map(|(x, y, w)| w * (x - mean_x) * (y - mean_y))
        .sum::<f64>()
        / spread;
    let residual: f64 = points
        .iter()
        .map(|(x, y, w)| w * (y - mean_y - slope * (x - mean_x)).powi(2))
        .sum();
    let freedom = points.len() as u32 - 2;
    let rounding = points.len() as f64 / (12.0 * weight); // weight × 1/(12 n²), n problems each
    let dispersion = (residual / f64::from(freedom)).max(rounding);
    (slope + student_quantile(0.05, freedom) * (dispersion / spread).sqrt()) * (last - first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(val: &[u32], total: u32) -> Vec<Evaluation> {
        let split = |correct| Score { correct, total };
        let at = |(i, &correct): (usize, &u32)| Evaluation {
            iteration: 5 * i as u32,
            train: split(total),
            val: split(correct),
            test: split(correct),
        };
        val.iter().enumerate().map(at).collect()
    }

    #[test]
    fn the_bound_equals_a_regression_done_by_hand() {
        // The textbook's formulas on centred iterations, with t(0.95, 3) from a table.
        let y = [0.1, 5.0 / 30.0, 4.0 / 30.0, 0.2, 5.0 / 30.0];
        let x = [-10.0, -5.0, 0.0, 5.0, 10.0f64];
        let mean = y.iter().sum::<f64>() / 5.0;
        let slope = x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / 250.0;
        let sse: f64 = x
            .iter()
            .zip(y)
            .map(|(x, y)| (y - mean - slope * x).powi(2))
            .sum();
        let expected = 20.0 * (slope + 2.353_363_435 * (sse / 3.0 / 250.0).sqrt());
        assert!((rise_bound(&series(&[3, 5, 4, 6, 5], 30), |e| e.val) - expected).abs() < 1e-9);
    }

    #[test]
    fn flat_is_a_plateau_and_rising_is_not() {
        let parameters = Parameters::default();
        let found = |val: &[u32]| {
            ending_at(
                &series(val, 30),
                0,
                val.len() - 1,
                Kind::Memorised,
                &parameters,
            )
        };
        let flat = found(&[3, 4, 3, 4, 3]).unwrap();
        assert_eq!((flat.from, flat.to), (0, 20));
        assert_eq!(found(&[3; 4]), None);
        assert_eq!(found(&[3, 6, 9, 12, 15]), None);
        assert_eq!(found(&[28; 9]), None, "no gap");
        assert_eq!(
            found(&[9, 6, 3, 4, 3, 3, 4, 3]).map(|p| p.to),
            Some(35),
            "falling is not rising"
        );
        assert_eq!(
            found(&[0, 3, 9, 9, 10, 9, 9]).map(|p| p.from),
            Some(10),
            "only the stretch that is flat"
        );
    }

    proptest! {
        #[test]
        fn equal_counts_are_flat_and_low_needs_both(count in 0u32..=30, length in 5usize..20) {
            let parameters = Parameters::default();
            let stretch = series(&vec![count; length], 30);
            let found = ending_at(&stretch, 0, length - 1, Kind::Memorised, &parameters);
            prop_assert_eq!(found.is_some(), 1.0 - f64::from(count) / 30.0 >= 0.30);
            prop_assert_eq!(ending_at(&stretch, 0, length - 1, Kind::Low, &parameters), None);
        }
    }
}
