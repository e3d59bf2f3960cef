//! Intervals for proportions: Wilson, Newcombe for a difference, and the bootstrap over clusters.

use serde::{Deserialize, Serialize};

use super::{Draws, Z95};

/// A two-sided interval; `[lower, upper]` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "[f64; 2]", from = "[f64; 2]")]
pub struct Interval {
    pub lower: f64,
    pub upper: f64,
}

impl From<[f64; 2]> for Interval {
    fn from([lower, upper]: [f64; 2]) -> Self {
        Self { lower, upper }
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.lower, interval.upper]
    }
}

impl Interval {
    pub fn contains(self, value: f64) -> bool {
        (self.lower..=self.upper).contains(&value)
    }
}

/// Problems that tend to fall together: the sum of their values and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cluster {
    pub sum: f64,
    pub count: f64,
}

/// Wilson's score interval for a `rate` among `count`, with normal quantile `z`. Nothing counted
/// says nothing: [0, 1].
pub fn wilson(rate: f64, count: f64, z: f64) -> Interval {
    if count <= 0.0 {
        return Interval {
            lower: 0.0,
            upper: 1.0,
        };
    }
    let z2 = z * z;
    let scale = 1.0 + z2 / count;
    let centre = (rate + z2 / (2.0 * count)) / scale;
    let half = z / scale * (rate * (1.0 - rate) / count + z2 / (4.0 * count * count)).sqrt();
    // Exactly 0 and 1 by the formula; rounding would leave the estimate just outside of its
    // interval.
    let lower = if rate <= 0.0 {
        0.0
    } else {
        (centre - half).max(0.0)
    };
    let upper = if rate >= 1.0 {
        1.0
    } else {
        (centre + half).min(1.0)
    };
    Interval { lower, upper }
}

/// Newcombe's hybrid score interval for `after - before`, each a (rate, count); it stays honest at
/// rates of 0 and 1.
pub fn difference(before: (f64, f64), after: (f64, f64), z: f64) -> Interval {
    let (low, high) = (wilson(before.0, before.1, z), wilson(after.0, after.1, z));
    let rise = after.0 - before.0;
    Interval {
        // Newcombe's method 10: the distances to each proportion's own bounds, added as squares.
        lower: rise - (after.0 - high.lower).hypot(low.upper - before.0),
        upper: rise + (high.upper - after.0).hypot(before.0 - low.lower),
    }
}

/// The 95 % percentile-bootstrap interval of Σ sum / Σ count when whole clusters are drawn again.
///
/// `None` for fewer than two clusters. Where no cluster differs from the others in rate, resampling
/// would claim certainty; the answer is then Wilson's interval with a cluster counted once (rates
/// must lie in [0, 1] for that).
pub fn clustered(clusters: &[Cluster], resamples: usize, seed: u64) -> Option<Interval> {
    if clusters.len() < 2 {
        return None;
    }
    let rates = resample(clusters, resamples, seed);
    let (least, most) = (rates.first()?, rates.last()?);
    // Equal rates may differ by rounding, for their sums are taken in another order.
    if most - least < 1e-12 {
        return Some(wilson(*least, clusters.len() as f64, Z95));
    }
    Some(percentiles(&rates))
}

/// Σ sum / Σ count of every resample, sorted.
pub(super) fn resample(clusters: &[Cluster], resamples: usize, seed: u64) -> Vec<f64> {
    let mut draws = Draws::new(seed);
    let mut rates: Vec<f64> = (0..resamples)
        .map(|_| {
            let (mut sum, mut count) = (0.0, 0.0);
            // As many clusters as there are, however large: the unit that was sampled is the
            // cluster.
            for _ in 0..clusters.len() {
                let cluster = clusters[draws.below(clusters.len())];
                sum += cluster.sum;
                count += cluster.count;
            }
            if count > 0.0 { sum / count } else { 0.0 }
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates
}

/// The middle 95 % of sorted values, interpolated; `sorted` is not empty.
pub(super) fn percentiles(sorted: &[f64]) -> Interval {
    let at = |share: f64| {
        let position = share * (sorted.len() - 1) as f64;
        let (below, above) = (position.floor() as usize, position.ceil() as usize);
        sorted[below] + (sorted[above] - sorted[below]) * position.fract()
    };
    Interval {
        lower: at(0.025),
        upper: at(0.975),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wilson_matches_published_values() {
        let close = |interval: Interval, lower: f64, upper: f64| {
            assert!(
                (interval.lower - lower).abs() < 5e-4 && (interval.upper - upper).abs() < 5e-4,
                "{interval:?}"
            );
        };
        close(wilson(81.0 / 263.0, 263.0, Z95), 0.2553, 0.3662); // Newcombe 1998, table I
        close(wilson(0.0, 20.0, Z95), 0.0, 0.1611);
        close(wilson(1.0 / 29.0, 29.0, Z95), 0.0061, 0.1718);
        close(
            difference((48.0 / 80.0, 80.0), (56.0 / 70.0, 70.0), Z95),
            0.0524,
            0.3339,
        ); // Newcombe 1998, table II
    }

    /// Wilson's bounds are the rates at which the score test is exactly significant.
    #[test]
    fn wilson_inverts_the_score_test() {
        for correct in 1..30 {
            let rate = f64::from(correct) / 30.0;
            let interval = wilson(rate, 30.0, Z95);
            for bound in [interval.lower, interval.upper] {
                let z = (rate - bound).abs() / (bound * (1.0 - bound) / 30.0).sqrt();
                assert!((z - Z95).abs() < 1e-9, "{correct}: {z}");
            }
        }
    }

    #[test]
    fn clusters_that_fall_together_widen_the_interval() {
        let together: Vec<_> = (0..10)
            .map(|i| Cluster {
                sum: if i < 5 { 10.0 } else { 0.0 },
                count: 10.0,
            })
            .collect();
        let spread: Vec<_> = (0..100)
            .map(|i| Cluster {
                sum: f64::from(i % 2),
                count: 1.0,
            })
            .collect();
        let width = |clusters: &[Cluster]| {
            clustered(clusters, 2_000, 1)
                .map(|i| i.upper - i.lower)
                .unwrap()
        };
        assert!(width(&together) > 2.5 * width(&spread));
        assert!((width(&spread) - 0.196).abs() < 0.03, "{}", width(&spread)); // 2 × 1.96 × √(0.25/100)
        assert_eq!(
            clustered(&together, 2_000, 1),
            clustered(&together, 2_000, 1)
        );
        assert_ne!(clustered(&spread, 2_000, 1), None);
        assert_eq!(clustered(&together[..1], 2_000, 1), None);
        let never = [Cluster {
            sum: 0.0,
            count: 3.0,
        }; 10];
        assert_eq!(clustered(&never, 2_000, 1), Some(wilson(0.0, 10.0, Z95)));
    }

    proptest! {
        #[test]
        fn intervals_hold_their_estimate(total in 1u32..500, share in 0.0f64..=1.0, other in 1u32..500) {
            let correct = (f64::from(total) * share).round();
            let rate = correct / f64::from(total);
            let interval = wilson(rate, total.into(), Z95);
            prop_assert!(interval.contains(rate) && 0.0 <= interval.lower && interval.upper <= 1.0);
            let rise = difference((share, other.into()), (rate, total.into()), Z95);
            prop_assert!(rise.contains(rate - share) && rise.lower >= -1.0 - 1e-12 && rise.upper <= 1.0 + 1e-12);
        }
    }
}
