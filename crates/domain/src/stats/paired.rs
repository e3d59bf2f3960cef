//! Paired comparisons of two models on the same problems: exact McNemar, paired bootstrap, sign
//! flips.

use serde::{Deserialize, Serialize};

use super::interval::{percentiles, resample};
use super::{Cluster, Draws, Interval};

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

/// A mean difference (after - before) over paired problems.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    pub difference: f64,
    /// 95 %, by the bootstrap over problems (or over clusters of them).
    pub ci95: Interval,
    /// Two-sided, by the same bootstrap: twice the smaller share of resamples on one side of 0.
    pub p: f64,
    /// Two-sided, by flipping the signs of whole problems (or clusters): exact up to 16 that
    /// differ, else drawn.
    pub p_sign_flip: f64,
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

/// Compares by clusters of per-problem differences (one problem a cluster for a statement on these
/// problems, one rule a cluster for a statement on rules like these). `None` for fewer than two
/// clusters.
pub fn paired(differences: &[Cluster], resamples: usize, seed: u64) -> Option<PairedDifference> {
    if differences.len() < 2 {
        return None;
    }
    let count: f64 = differences.iter().map(|d| d.count).sum();
    let difference = if count > 0.0 {
        differences.iter().map(|d| d.sum).sum::<f64>() / count
    } else {
        0.0
    };
    let means = resample(differences, resamples, seed);
    // Sums of fractions that cancel are rarely exactly 0.
    let not_above = means.iter().filter(|&&m| m <= 1e-12).count();
    let not_below = means.iter().filter(|&&m| m >= -1e-12).count();
    // The data count as one more draw: without that p could be 0, which no number of draws shows.
    let p = 2.0 * (not_above.min(not_below) + 1) as f64 / (resamples + 1) as f64;
    Some(PairedDifference {
        difference,
        ci95: percentiles(&means),
        p: p.min(1.0),
        // Another stream than the bootstrap's, so that one does not echo the other.
        p_sign_flip: sign_flip(differences, resamples, seed ^ 0x5167_6e66_6c69_7000),
    })
}

/// How often random signs give a sum at least as far from 0 as the one seen.
fn sign_flip(differences: &[Cluster], resamples: usize, seed: u64) -> f64 {
    // 2¹⁶ patterns of signs are soon counted; each further cluster would double them.
    const EXACT: usize = 16;
    let sums: Vec<f64> = differences
        .iter()
        .map(|d| d.sum)
        // Flipping the sign of 0 changes nothing, and each one left in would double the patterns.
        .filter(|s| s.abs() > 1e-12)
        .collect();
    // The pattern that was seen must count, whatever rounding does to its sum.
    let seen = sums.iter().sum::<f64>().abs() - 1e-9;
    let signed = |signs: &dyn Fn(usize) -> bool| {
        let total: f64 = sums
            .iter()
            .enumerate()
            .map(|(i, s)| if signs(i) { *s } else { -s })
            .sum();
        total.abs() >= seen
    };
    if sums.len() <= EXACT {
        let hits = (0u32..1 << sums.len())
            .filter(|mask| signed(&|i| mask >> i & 1 == 1))
            .count();
        // All patterns are counted, the one that was seen among them, so nothing is added.
        return hits as f64 / f64::from(1u32 << sums.len());
    }
    let mut draws = Draws::new(seed);
    let mut words = vec![0u64; sums.len().div_ceil(64)];
    let hits = (0..resamples)
        .filter(|_| {
            words.iter_mut().for_each(|word| *word = draws.bits());
            signed(&|i| words[i / 64] >> (i % 64) & 1 == 1)
        })
        .count();
    (hits + 1) as f64 / (resamples + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let clear = paired(
            &single((0..60).map(|i| if i % 3 == 0 { 0.75 } else { 0.0 })),
            10_000,
            3,
        )
        .unwrap();
        assert!(
            (clear.difference - 0.25).abs() < 1e-12 && clear.p < 0.001 && clear.p_sign_flip < 0.001,
            "{clear:?}"
        );
        assert!(
            clear.ci95.lower > 0.15 && clear.ci95.upper < 0.36,
            "{clear:?}"
        );
        let even = paired(&single((0..60).map(|i| f64::from(i % 2) - 0.5)), 10_000, 3).unwrap();
        assert!(
            even.p > 0.9 && even.p_sign_flip > 0.9 && even.ci95.contains(0.0),
            "{even:?}"
        );
        let same = paired(&single([0.0; 30]), 1_000, 3).unwrap();
        assert_eq!((same.difference, same.p, same.p_sign_flip), (0.0, 1.0, 1.0));
        assert_eq!(paired(&single([1.0]), 1_000, 3), None);
    }

    #[test]
    fn sign_flips_are_exact_for_few_and_agree_when_drawn() {
        assert_eq!(sign_flip(&single([1.0; 5]), 0, 0), 2.0 / 32.0);
        let values = single((0..20).map(|i| if i < 15 { 1.0 } else { -1.0 }));
        assert!((sign_flip(&values, 50_000, 1) - mcnemar(5, 15).p).abs() < 0.005);
    }

    /// With no difference, p < 0.05 must come about as often as promised.
    #[test]
    fn false_alarms_come_as_often_as_promised() {
        let mut draws = Draws::new(11);
        let (mut bootstrap, mut flips) = (0, 0);
        for round in 0..400 {
            let values =
                single((0..60).map(|_| (draws.below(5) as f64 - draws.below(5) as f64) / 4.0));
            let result = paired(&values, 500, round).unwrap();
            bootstrap += u32::from(result.p < 0.05);
            flips += u32::from(result.p_sign_flip < 0.05);
        }
        assert!(
            (6..=40).contains(&bootstrap) && (6..=36).contains(&flips),
            "{bootstrap} {flips} of 400"
        );
    }
}
