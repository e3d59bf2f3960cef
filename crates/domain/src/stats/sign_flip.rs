//! The exact sign-flip test (Fisher's randomisation test for pairs): if nothing differed, each
//! unit's difference might as well have had the other sign.

use super::Draws;

/// Up to so many that differ, every pattern of signs is looked at.
const ENUMERATED: usize = 20;
/// The largest range of whole sums whose distribution is built up unit by unit.
const MOST_SUMS: i64 = 1 << 20;
/// Differences are multiples of one over a number no larger than this, or are taken as they are.
const LARGEST_DENOMINATOR: u32 = 64;
/// Patterns that are drawn where neither is possible.
const DRAWN: usize = 100_000;

/// Two-sided: how often random signs give a sum at least as far from 0 as the one seen. Exact up to
/// 20 units that differ, and beyond that where differences are multiples of a small fraction; else
/// drawn, and then never below the 1 / 100,001 that so many draws can show.
pub fn sign_flip(differences: &[f64], seed: u64) -> f64 {
    let mut differing = Vec::with_capacity(differences.len());
    for &difference in differences {
        // Flipping the sign of 0 changes nothing, and each one left in would double the patterns.
        if difference.abs() > 1e-12 {
            differing.push(difference.abs());
        }
    }
    // Signs do not matter to a distribution that is the same for both; only the sum was seen.
    let seen = differences.iter().sum::<f64>().abs();
    if differing.len() <= ENUMERATED {
        return enumerated(&differing, seen);
    }
    match whole(&differing) {
        Some((steps, denominator)) => convolved(&steps, (seen * denominator).round() as i64),
        None => drawn(&differing, seen, seed),
    }
}

/// What rounding may do to a sum.
const ROUNDING: f64 = 1e-9;

/// Every pattern of signs: a bit each.
fn enumerated(differing: &[f64], seen: f64) -> f64 {
    let patterns = 1u32 << differing.len();
    let mut hits = 0u32;
    for pattern in 0..patterns {
        let mut sum = 0.0;
        for (place, difference) in differing.iter().enumerate() {
            sum += signed(*difference, pattern >> place & 1 == 1);
        }
        hits += u32::from(sum.abs() >= seen - ROUNDING);
    }
    f64::from(hits) / f64::from(patterns)
}

fn signed(difference: f64, positive: bool) -> f64 {
    if positive { difference } else { -difference }
}

/// The differences as whole multiples of one over a common denominator, where there is one.
fn whole(differing: &[f64]) -> Option<(Vec<i64>, f64)> {
    for denominator in (1..=LARGEST_DENOMINATOR).map(f64::from) {
        let is_whole = |d: &f64| (d * denominator - (d * denominator).round()).abs() < 1e-6;
        if differing.iter().all(is_whole) {
            let step = |d: &f64| (d * denominator).round() as i64;
            let steps: Vec<i64> = differing.iter().map(step).collect();
            let range: i64 = steps.iter().sum();
            return (range <= MOST_SUMS).then_some((steps, denominator));
        }
    }
    None
}

/// The distribution of the sum, one unit after another: the chance of each value of the part with
/// a positive sign, of which the sum is twice, less all.
fn convolved(steps: &[i64], seen: i64) -> f64 {
    let all: i64 = steps.iter().sum();
    let mut chances = vec![0.0; all as usize + 1];
    chances[0] = 1.0;
    let mut reached = 0;
    for &step in steps {
        let step = step as usize;
        reached += step;
        for sum in (0..=reached).rev() {
            let with = if sum >= step {
                chances[sum - step]
            } else {
                0.0
            };
            chances[sum] = 0.5 * (chances[sum] + with);
        }
    }
    let mut p: f64 = 0.0;
    for (positive, chance) in (0..).zip(&chances) {
        let sum: i64 = 2 * positive - all;
        if sum.abs() >= seen {
            p += chance;
        }
    }
    p.min(1.0)
}

fn drawn(differing: &[f64], seen: f64, seed: u64) -> f64 {
    let mut draws = Draws::new(seed);
    let mut hits = 0;
    for _ in 0..DRAWN {
        let (mut sum, mut bits) = (0.0, 0);
        for (place, difference) in differing.iter().enumerate() {
            if place % 64 == 0 {
                bits = draws.bits();
            }
            sum += signed(*difference, bits >> (place % 64) & 1 == 1);
        }
        hits += usize::from(sum.abs() >= seen - ROUNDING);
    }
    // The pattern that was seen is one more draw: without it p could be 0.
    (hits + 1) as f64 / (DRAWN + 1) as f64
}

/// The smallest p that so many units can give: all of them differ, to the same side.
pub fn smallest_p(units: usize) -> f64 {
    2f64.powi(1 - units.min(1_000) as i32).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::mcnemar;

    #[test]
    fn all_three_ways_agree() {
        let mut draws = Draws::new(5);
        for _ in 0..20 {
            let mut fourths = Vec::new();
            for _ in 0..14 {
                fourths.push((draws.below(9) as f64 - 3.0) / 4.0);
            }
            let exact = sign_flip(&fourths, 1);
            let differing: Vec<f64> = fourths
                .iter()
                .map(|d| d.abs())
                .filter(|&d| d > 0.0)
                .collect();
            let seen = fourths.iter().sum::<f64>().abs();
            let (steps, denominator) = whole(&differing).unwrap();
            let by_sums = convolved(&steps, (seen * denominator).round() as i64);
            assert!((exact - by_sums).abs() < 1e-12, "{exact} {by_sums}");
            assert!((exact - drawn(&differing, seen, 2)).abs() < 0.01);
        }
    }

    #[test]
    fn single_problems_are_mcnemars() {
        for (lost, gained) in [(0, 3), (5, 20), (30, 60), (300, 420)] {
            let mut differences = vec![-1.0; lost];
            differences.extend(vec![1.0; gained]);
            differences.extend(vec![0.0; 7]);
            let expected = mcnemar(lost as u32, gained as u32).p;
            let p = sign_flip(&differences, 0);
            assert!((p - expected).abs() < 1e-9, "{p} {expected}");
        }
    }

    #[test]
    fn no_p_is_below_the_smallest() {
        for units in 1..=12 {
            let p = sign_flip(&vec![0.7; units], 0);
            assert!((p - smallest_p(units)).abs() < 1e-12);
        }
        assert_eq!(sign_flip(&[], 0), 1.0);
        assert_eq!(smallest_p(4), 0.125);
        let irrational: Vec<f64> = (1..40).map(|i| f64::from(i).sqrt()).collect();
        assert_eq!(sign_flip(&irrational, 0), 1.0 / (DRAWN + 1) as f64);
    }
}
