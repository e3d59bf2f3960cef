//! Intervals over units: what was sampled are the units (rules, as a rule), not the problems, which
//! pass or fail together within one.

use super::{Interval, interval::wilson, student_quantile};

/// A unit: problems that tend to fall together, by the sum of their values and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cluster {
    pub sum: f64,
    pub count: f64,
}

/// The share Σ sum / Σ count with its interval over units, each side with error `tail`; values lie
/// in [0, 1].
///
/// Wilson's interval for as many independent problems as would vary as much as the units do (no
/// fewer than there are units, no more than there are problems), with Student's t on one degree
/// less than there are units, since that variation is itself an estimate. `None` for fewer than two
/// units: one shows nothing of how they vary. `make bench-intervals` measures how often it holds.
pub fn over_units(units: &[Cluster], tail: f64) -> Option<Interval> {
    let (_, problems) = totals(units);
    if units.len() < 2 || problems <= 0.0 {
        return None;
    }
    let rate = rate(units);
    let t = student_quantile(tail, units.len() as u32 - 1);
    Some(wilson(rate, effective(units, rate, problems), t))
}

/// Σ sum / Σ count; 0 of nothing.
pub fn rate(units: &[Cluster]) -> f64 {
    let (sum, count) = totals(units);
    // Rounding must not carry a share out of [0, 1].
    if count > 0.0 {
        (sum / count).min(1.0)
    } else {
        0.0
    }
}

pub(super) fn totals(units: &[Cluster]) -> (f64, f64) {
    let (mut sum, mut count) = (0.0, 0.0);
    for unit in units {
        sum += unit.sum;
        count += unit.count;
    }
    (sum, count)
}

/// The variance of the ratio Σ sum / Σ count (which is `rate`) between draws of as many units, two
/// or more.
pub(super) fn rate_variance(units: &[Cluster], rate: f64, problems: f64) -> f64 {
    let number = units.len() as f64;
    let mut squares = 0.0;
    for unit in units {
        squares += (unit.sum - rate * unit.count).powi(2);
    }
    number / (number - 1.0) * squares / (problems * problems)
}

/// How many independent problems would vary as much.
fn effective(units: &[Cluster], rate: f64, problems: f64) -> f64 {
    let number = units.len() as f64;
    let variance = rate_variance(units, rate, problems);
    // Units that do not differ say nothing about how many problems they are worth; equal ones may
    // differ by rounding.
    if variance < 1e-15 {
        return number;
    }
    (rate * (1.0 - rate) / variance).clamp(number, problems.max(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::synthetic::coverage;

    fn units(rates: impl IntoIterator<Item = f64>, count: f64) -> Vec<Cluster> {
        let unit = |rate: f64| Cluster {
            sum: rate * count,
            count,
        };
        rates.into_iter().map(unit).collect()
    }

    #[test]
    fn what_falls_together_counts_once() {
        let together = over_units(&units([0.0, 1.0].repeat(5), 16.0), 0.025).unwrap();
        let alone = over_units(&units([0.0, 1.0].repeat(5), 1.0), 0.025).unwrap();
        assert!(
            (together.upper - alone.upper).abs() < 1e-12,
            "{together:?} {alone:?}"
        );
        let mixed = over_units(&units([0.45, 0.5, 0.55].repeat(4), 16.0), 0.025).unwrap();
        assert!(mixed.upper - mixed.lower < 0.2, "{mixed:?}");
        let always = over_units(&units([1.0; 10], 16.0), 0.025).unwrap();
        assert!(always.upper == 1.0 && always.lower < 0.7, "{always:?}");
        assert_eq!(over_units(&units([1.0], 16.0), 0.025), None);
        assert_eq!(over_units(&[], 0.025), None);
    }

    /// A small part of `make bench-intervals`.
    #[test]
    fn it_holds_as_often_as_it_says() {
        for (mean, correlation, number) in [(0.5, 0.5, 4), (0.9, 0.5, 8), (0.5, 0.9, 16)] {
            let held = coverage(mean, correlation, number, 600);
            assert!(held >= 0.86, "{mean} {correlation} {number}: {held}");
        }
    }
}
