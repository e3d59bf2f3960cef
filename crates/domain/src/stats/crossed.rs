//! A mean difference over units and over runs that differ by their seed: every run asks the same
//! units, so the two are crossed, and both are samples of what could have been.

use serde::{Deserialize, Serialize};

use super::paired::with_unseen;
use super::sign_flip::{sign_flip, smallest_p};
use super::{Interval, TAIL95, student_quantile};

/// A mean difference over units and seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CrossedDifference {
    pub seeds: usize,
    pub units: usize,
    pub difference: f64,
    /// A statement on units and seeds like these; with one seed on units alone.
    pub ci95: Interval,
    /// Two-sided, by exact sign flips of the units' means over seeds.
    pub p: f64,
    /// No p below this can come of so many units.
    pub smallest_p: f64,
}

/// The mean of `runs`: the differences of each unit, in [-1, 1], in the same order in every run.
/// Every unit counts alike. `None` for fewer than two units, or runs of unlike length.
///
/// The interval is that of the two-way layout with random effects: the variance of the mean is
/// (MS units + MS seeds - MS rest) / (units · seeds), its degrees of freedom are Satterthwaite's.
pub fn crossed(runs: &[Vec<f64>], seed: u64) -> Option<CrossedDifference> {
    let units = runs.first()?.len();
    if units < 2 || runs.iter().any(|run| run.len() != units) {
        return None;
    }
    let layout = Layout::of(runs, units);
    let (variance, freedom) = layout.variance();
    let half = student_quantile(TAIL95, freedom) * variance.sqrt();
    Some(CrossedDifference {
        seeds: runs.len(),
        units,
        difference: layout.mean,
        ci95: with_unseen(layout.mean, half, units),
        p: sign_flip(&layout.by_unit, seed),
        smallest_p: smallest_p(units),
    })
}

/// Sums of squares of a table with a row for each run and a column for each unit.
struct Layout {
    mean: f64,
    by_unit: Vec<f64>,
    units: f64,
    seeds: f64,
    between_units: f64,
    between_seeds: f64,
    rest: f64,
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
        let mut rest = 0.0;
        for (run, of_seed) in runs.iter().zip(&by_seed) {
            for (value, of_unit) in run.iter().zip(&by_unit) {
                rest += (value - of_seed - of_unit + mean).powi(2);
            }
        }
        Self {
            mean,
            units,
            seeds,
            between_units: seeds * squares(&by_unit) / (units - 1.0),
            // One run says nothing of how runs vary.
            between_seeds: units * squares(&by_seed) / (seeds - 1.0).max(1.0),
            rest: rest / ((units - 1.0) * (seeds - 1.0).max(1.0)),
            by_unit,
        }
    }

    /// Of the mean, and its degrees of freedom.
    fn variance(&self) -> (f64, u32) {
        let (of_units, of_seeds, rest) = (self.between_units, self.between_seeds, self.rest);
        let (units, seeds) = (self.units - 1.0, self.seeds - 1.0);
        // Where one of the two varies no more than chance lets it, the other is all there is.
        let (squares, freedom) = if of_seeds <= rest {
            (of_units, units)
        } else if of_units <= rest {
            (of_seeds, seeds)
        } else {
            let total = of_units + of_seeds - rest;
            let parts = of_units.powi(2) / units
                + of_seeds.powi(2) / seeds
                + rest.powi(2) / (units * seeds);
            let freedom = (total.powi(2) / parts).max(units.min(seeds));
            (total, freedom)
        };
        let variance = squares / (self.units * self.seeds);
        (variance, freedom.floor() as u32)
    }
}

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

    /// By hand: units 0.5, 0.5; seeds 0.25 and 0.75; nothing is left over.
    #[test]
    fn where_only_seeds_differ_they_alone_count() {
        let found = crossed(&[vec![0.25; 40], vec![0.75; 40]], 1).unwrap();
        assert_eq!(found.difference, 0.5);
        // Student's t of one degree is 12.7; half of the distance between the two is a standard
        // error of 0.25.
        assert_eq!((found.ci95.lower, found.ci95.upper), (-1.0, 1.0));
        let same = crossed(&[vec![0.5; 40], vec![0.5; 40]], 1).unwrap();
        assert!(same.ci95.lower > 0.35 && same.ci95.upper < 0.6, "{same:?}");
    }

    #[test]
    fn what_cannot_be_compared_is_none() {
        assert_eq!(crossed(&[], 1), None);
        assert_eq!(crossed(&[vec![1.0]], 1), None);
        assert_eq!(crossed(&[vec![1.0, 0.0], vec![1.0]], 1), None);
    }

    /// How often the interval holds the truth, of tables whose seeds and units both matter.
    #[test]
    fn it_holds_as_often_as_it_says() {
        for (units, seeds) in [(12, 3), (30, 5), (60, 2)] {
            let mut draws = Draws::new(7);
            let mut held = 0;
            for _ in 0..600 {
                let mut normal = |sd: f64| sd * draws.normal();
                let of_unit: Vec<f64> = (0..units).map(|_| normal(0.2)).collect();
                let mut runs = Vec::new();
                for _ in 0..seeds {
                    let of_seed = normal(0.05);
                    let value = |unit: &f64| 0.1 + unit + of_seed + normal(0.15);
                    runs.push(of_unit.iter().map(value).collect());
                }
                let ci95 = crossed(&runs, 1).unwrap().ci95;
                held += u32::from(ci95.lower <= 0.1 && 0.1 <= ci95.upper);
            }
            assert!(held >= 540, "{units} units, {seeds} seeds: {held} of 600");
        }
    }
}
