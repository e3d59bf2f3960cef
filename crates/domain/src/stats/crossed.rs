//! A mean difference over units and over runs that differ by their seed: every run asks the same
//! units, so the two are crossed, and both are samples of what could have been.

use serde::{Deserialize, Serialize};

use super::paired::with_unseen;
use super::sign_flip::sign_flip;
use super::{Interval, TAIL95, student_quantile};

/// A mean difference over units and seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CrossedDifference {
    pub seeds: usize,
    pub units: usize,
    pub difference: f64,
    /// A statement on units and seeds like these; with one seed on units alone.
    pub ci95: Interval,
    /// Two-sided. With one seed by exact sign flips of whole units; with more the level at which an
    /// interval over units and seeds would just reach 0.
    pub p: f64,
}

/// The mean of `runs`: the differences of each unit, in [-1, 1], in the same order in every run.
/// Every unit counts alike. `None` for fewer than two units, or runs of unlike length.
///
/// In the two-way layout with random effects the variance of the mean is at most
/// (MS units + MS seeds) / (units · seeds), and the interval is Banerjee's (1960) for a sum of
/// independent variances: each mean square counts with the square of the t of its own degrees of
/// freedom. It holds the truth at least as often as it says, also where seeds are few.
pub fn crossed(runs: &[Vec<f64>], seed: u64) -> Option<CrossedDifference> {
    let units = runs.first()?.len();
    if units < 2 || runs.iter().any(|run| run.len() != units) {
        return None;
    }
    let layout = Layout::of(runs, units);
    let p = if runs.len() == 1 {
        sign_flip(&runs[0], seed)
    } else {
        layout.p()
    };
    Some(CrossedDifference {
        seeds: runs.len(),
        units,
        difference: layout.mean,
        ci95: with_unseen(layout.mean, layout.half(TAIL95), units),
        p,
    })
}

/// Mean squares of a table with a row for each run and a column for each unit.
struct Layout {
    mean: f64,
    units: usize,
    seeds: usize,
    between_units: f64,
    between_seeds: f64,
}

impl Layout {
    fn of(runs: &[Vec<f64>], number: usize) -> Self {
        let (units, seeds) = (number as f64, runs.len() as f64);
        let by_seed: Vec<f64> = runs
            .iter()
            .map(|run| run.iter().sum::<f64>() / units)
            .collect();
        let mut by_unit = vec![0.0; number];
        for run in runs {
            for (mean, value) in by_unit.iter_mut().zip(run) {
                *mean += value / seeds;
            }
        }
        let mean = by_seed.iter().sum::<f64>() / seeds;
        let squares = |means: &[f64]| means.iter().map(|m| (m - mean).powi(2)).sum::<f64>();
        Self {
            mean,
            units: number,
            seeds: runs.len(),
            between_units: seeds * squares(&by_unit) / (units - 1.0),
            // One run says nothing of how runs vary.
            between_seeds: units * squares(&by_seed) / (seeds - 1.0).max(1.0),
        }
    }

    /// Half the width of the interval with error `tail` on either side.
    fn half(&self, tail: f64) -> f64 {
        let of = |mean_square: f64, number: usize| {
            // Two are the least that vary.
            if number < 2 {
                return 0.0;
            }
            mean_square * student_quantile(tail, number as u32 - 1).powi(2)
        };
        let sum = of(self.between_units, self.units) + of(self.between_seeds, self.seeds);
        (sum / (self.units * self.seeds) as f64).sqrt()
    }

    /// The level at which the interval would just reach 0.
    fn p(&self) -> f64 {
        let (mut least, mut most) = (SMALLEST_TAIL, 0.5);
        if self.half(least) < self.mean.abs() {
            return 2.0 * least;
        }
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(least, most);
            if self.half(middle) < self.mean.abs() {
                most = middle;
            } else {
                least = middle;
            }
        }
        2.0 * most
    }
}

/// No p below twice this is told.
const SMALLEST_TAIL: f64 = 1e-9;
/// So many halvings leave less than is ever printed.
const BISECTIONS: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Cluster, Draws, paired};

    #[test]
    fn one_run_is_a_comparison_over_units() {
        let run = vec![1.0, 0.0, -1.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let clusters: Vec<Cluster> = run.iter().map(|&sum| Cluster { sum, count: 1.0 }).collect();
        let (one, alone) = (crossed(&[run], 1).unwrap(), paired(&clusters, 1).unwrap());
        assert_eq!((one.seeds, one.units), (1, 8));
        assert_eq!((one.difference, one.p), (alone.difference, alone.p));
        assert!((one.ci95.lower - alone.ci95.lower).abs() < 1e-12);
        assert!((one.ci95.upper - alone.ci95.upper).abs() < 1e-12);
    }

    /// By hand: the seeds' means are 0.25 and 0.75, so the standard error is 0.25, and Student's t of
    /// one degree is 12.7; of its distribution 0.1476 lies beyond 2 on either side.
    #[test]
    fn where_only_seeds_differ_they_alone_count() {
        let found = crossed(&[vec![0.25; 40], vec![0.75; 40]], 1).unwrap();
        assert_eq!(found.difference, 0.5);
        assert_eq!((found.ci95.lower, found.ci95.upper), (-1.0, 1.0));
        assert!((found.p - 0.2952).abs() < 0.001, "{found:?}");
        let same = crossed(&[vec![0.5; 40], vec![0.5; 40]], 1).unwrap();
        assert!(same.ci95.lower > 0.35 && same.ci95.upper < 0.6, "{same:?}");
        assert!(same.p < 0.0001, "{same:?}");
        let layout = Layout::of(&[vec![0.1, 0.3, 0.2, 0.5], vec![0.2, 0.3, 0.1, 0.6]], 4);
        let (p, mean) = (layout.p(), layout.mean);
        assert!((layout.half(p / 2.0) - mean).abs() < 1e-6, "{p}");
        let none = crossed(&[vec![0.0; 40], vec![0.0; 40]], 1).unwrap();
        assert_eq!((none.difference, none.p), (0.0, 1.0));
    }

    #[test]
    fn what_cannot_be_compared_is_none() {
        assert_eq!(crossed(&[], 1), None);
        assert_eq!(crossed(&[vec![1.0]], 1), None);
        assert_eq!(crossed(&[vec![1.0, 0.0], vec![1.0]], 1), None);
    }

    /// Of tables of units and seeds that vary by so much, with `truth` in their middle: how many of
    /// 600 intervals hold it, and how many p are below 0.05.
    fn of_600(units: usize, seeds: usize, of_seeds: f64, truth: f64) -> (u32, u32) {
        let mut draws = Draws::new(7);
        let (mut held, mut below) = (0, 0);
        for _ in 0..600 {
            let mut normal = |sd: f64| sd * draws.normal();
            let of_unit: Vec<f64> = (0..units).map(|_| normal(0.2)).collect();
            let mut runs = Vec::new();
            for _ in 0..seeds {
                let of_seed = normal(of_seeds);
                let value = |unit: &f64| truth + unit + of_seed + normal(0.15);
                runs.push(of_unit.iter().map(value).collect());
            }
            let layout = Layout::of(&runs, units);
            let half = layout.half(TAIL95);
            held += u32::from((layout.mean - truth).abs() <= half);
            // That is what p below 0.05 means.
            below += u32::from(layout.mean.abs() > half);
        }
        (held, below)
    }

    #[test]
    fn it_holds_at_least_as_often_as_it_says() {
        for (units, seeds) in [(12, 3), (30, 5), (60, 2)] {
            for of_seeds in [0.0, 0.03, 0.2] {
                let (held, _) = of_600(units, seeds, of_seeds, 0.1);
                assert!(held >= 562, "{units}, {seeds}, {of_seeds}: {held} of 600");
                let (_, below) = of_600(units, seeds, of_seeds, 0.0);
                assert!(below <= 38, "{units}, {seeds}, {of_seeds}: {below} of 600");
            }
        }
        // A gain that five seeds and thirty units show.
        let (_, below) = of_600(30, 5, 0.03, 0.2);
        assert!(below >= 500, "{below} of 600");
    }
}
