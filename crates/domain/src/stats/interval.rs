//! Wilson's interval for a proportion.

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Z95;

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

    proptest! {
        #[test]
        fn intervals_hold_their_estimate(total in 1u32..500, share in 0.0f64..=1.0) {
            let correct = (f64::from(total) * share).round();
            let rate = correct / f64::from(total);
            let interval = wilson(rate, total.into(), Z95);
            prop_assert!(interval.contains(rate) && 0.0 <= interval.lower && interval.upper <= 1.0);
        }
    }
}
