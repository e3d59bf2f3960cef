//! Paired comparisons of two models on the same problems: exact McNemar, and differences over units
//! with an interval and exact sign flips.

use serde::{Deserialize, Serialize};

use super::sign_flip::{sign_flip, smallest_p};
use super::units::{rate_variance, totals};
use super::{Cluster, Interval, student_quantile};

/// McNemar's exact test: only the problems on which the two differ count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Correct before and not after.
    pub lost: u32,
    /// Correct after and not before.
    pub gained: u32,
    /// Two-sided.
    pub p: f64,
}

/// A mean difference (after - before) over paired units, which may be problems.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// How many units were paired.
    pub units: usize,
    pub difference: f64,
    pub ci95: Interval,
    /// Two-sided, by exact sign flips of whole units.
    pub p: f64,
    /// No p below this can come of so many units.
    pub smallest_p: f64,
}

/// Twice the binomial tail of the smaller count at one half, at most 1.
pub fn mcnemar(lost: u32, gained: u32) -> McNemar {
    let n = lost + gained;
    // In logarithms: 2⁻ⁿ alone is 0 for n beyond a thousand, while the later terms of the sum are
    // not.
    let mut log_term = -f64::from(n) * std::f64::consts::LN_2;
    let mut tail = log_term.exp();
    for i in 1..=lost.min(gained) {
        log_term += f64::from(n - i + 1).ln() - f64::from(i).ln();
        tail += log_term.exp();
    }
    McNemar {
        lost,
        gained,
        // Where as many were lost as gained, both tails hold the middle term and add up to more
        // than 1.
        p: (2.0 * tail).min(1.0),
    }
}

/// Compares by units of per-problem differences in [-1, 1] (one problem a unit for a statement on
/// these problems, one rule a unit for a statement on rules like these). `None` for fewer than two
/// units.
pub fn paired(differences: &[Cluster], seed: u64) -> Option<PairedDifference> {
    let units = differences.len();
    let (sum, problems) = totals(differences);
    if units < 2 || problems <= 0.0 {
        return None;
    }
    let difference = sum / problems;
    let sums: Vec<f64> = differences.iter().map(|unit| unit.sum).collect();
    Some(PairedDifference {
        units,
        difference,
        ci95: interval(differences, difference, problems),
        p: sign_flip(&sums, seed),
        smallest_p: smallest_p(units),
    })
}

/// Student's interval over units, and no narrower than what units unlike all of these allow.
fn interval(differences: &[Cluster], difference: f64, problems: f64) -> Interval {
    let t = student_quantile(0.025, differences.len() as u32 - 1);
    let half = t * rate_variance(differences, difference, problems).sqrt();
    with_unseen(difference, half, differences.len())
}

/// `difference` ± `half`, and no narrower than what units unlike all of these allow.
///
/// Of a kind that none of R units is of, there may still be 1 - 0.025^(1/R) among all (the exact
/// bound for none of R), each of them up to 1 or -1. So no difference seen in 64 problems leaves
/// ± 5.6 points, and in 4 rules ± 60.
pub(super) fn with_unseen(difference: f64, half: f64, units: usize) -> Interval {
    let unseen = 1.0 - 0.025f64.powf(1.0 / units as f64);
    let lower = (difference - half).min(difference - unseen * (1.0 + difference));
    let upper = (difference + half).max(difference + unseen * (1.0 - difference));
    Interval {
        lower: lower.max(-1.0),
        upper: upper.min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Draws;

    fn single(values: impl IntoIterator<Item = f64>) -> Vec<Cluster> {
        values
            .into_iter()
            .map(|sum| Cluster { sum, count: 1.0 })
            .collect()
    }

    #[test]
    fn mcnemar_equals_the_sum_over_all_outcomes() {
        for lost in 0u32..9 {
            for gained in 0u32..9 {
                let n = lost + gained;
                let extreme = lost.min(gained);
                let as_far = (0u32..1 << n)
                    .filter(|m| m.count_ones().min(n - m.count_ones()) <= extreme)
                    .count();
                let expected = as_far as f64 / f64::from(1u32 << n);
                assert!(
                    (mcnemar(lost, gained).p - expected).abs() < 1e-12,
                    "{lost} {gained}"
                );
            }
        }
        assert!((mcnemar(5, 20).p - 0.004_077_3).abs() < 1e-6);
        assert!(mcnemar(3_000, 4_000).p < 1e-30 && mcnemar(3_500, 3_500).p == 1.0);
    }

    #[test]
    fn a_clear_gain_is_found_and_no_gain_is_not() {
        let gains = single((0..60).map(|i| if i % 3 == 0 { 0.75 } else { 0.0 }));
        let clear = paired(&gains, 3).unwrap();
        assert!(
            (clear.difference - 0.25).abs() < 1e-12 && clear.p < 0.001,
            "{clear:?}"
        );
        assert!(
            clear.ci95.lower > 0.15 && clear.ci95.upper < 0.36,
            "{clear:?}"
        );
        let even = paired(&single((0..60).map(|i| f64::from(i % 2) - 0.5)), 3).unwrap();
        assert!(even.p > 0.9 && even.ci95.contains(0.0), "{even:?}");
        assert_eq!(paired(&single([1.0]), 3), None);
    }

    /// The bootstrap gave them [0, 0], and four rules that gain alike p = 0.0002.
    #[test]
    fn what_was_not_seen_has_a_width() {
        let same = paired(&single([0.0; 64]), 3).unwrap();
        assert_eq!((same.difference, same.p), (0.0, 1.0));
        assert!((same.ci95.upper - 0.056).abs() < 5e-4 && same.ci95.lower == -same.ci95.upper);
        let rule = |gained| Cluster {
            sum: gained,
            count: 16.0,
        };
        let alike = paired(&[10.0, 11.0, 12.0, 13.0].map(rule), 3).unwrap();
        assert_eq!((alike.units, alike.p, alike.smallest_p), (4, 0.125, 0.125));
        assert!(
            alike.ci95.lower < 0.0 && alike.ci95.upper <= 1.0,
            "{alike:?}"
        );
    }

    /// With no difference, p < 0.05 must come about no more often than promised, and the interval
    /// hold 0 as often as promised; 3 of 32 rules gain and as many lose.
    #[test]
    fn false_alarms_come_as_often_as_promised() {
        let mut draws = Draws::new(11);
        let (mut alarms, mut held) = (0, 0);
        for round in 0..400 {
            let change = |draws: &mut Draws| match draws.below(32) {
                0..3 => draws.unit(),
                3..6 => -draws.unit(),
                _ => 0.0,
            };
            let values = single((0..24).map(|_| change(&mut draws)));
            let result = paired(&values, round).unwrap();
            alarms += u32::from(result.p < 0.05);
            held += u32::from(result.ci95.contains(0.0));
        }
        assert!(alarms <= 30 && held >= 370, "{alarms} {held} of 400");
    }
}
