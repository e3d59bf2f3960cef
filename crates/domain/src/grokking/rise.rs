//! Rises: the change-point of a series of scores, with an interval that pays for having been
//! searched for.

use serde::{Deserialize, Serialize};

use super::{Evaluation, Parameters, Score};
use crate::stats::{difference, normal_quantile};

/// A rise of val from one level to a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rise {
    /// The first evaluated iteration of the later level.
    pub iteration: u32,
    /// Mean accuracy from there on, less the mean before.
    pub estimate: f64,
    /// Bounds at 95 % after the correction for the search.
    pub lower: f64,
    pub upper: f64,
    /// Split points that were compared.
    pub candidates: usize,
}

/// The split of `series` at which the lower bound of val's rise is largest, with the index of the
/// later level's first evaluation; at least `plateau` evaluations lie before it and
/// `generalised_for` after. `None` where there is no room for one.
///
/// Each of the m admissible splits is given an error of `error / m` (Bonferroni over a maximally
/// selected statistic: it needs no asymptotics, and m is small), so that the interval holds for the
/// one picked.
pub(super) fn search(series: &[Evaluation], parameters: &Parameters) -> Option<(usize, Rise)> {
    let splits = parameters.plateau..(series.len() + 1).saturating_sub(parameters.generalised_for);
    let candidates = splits.len();
    splits
        .map(|at| (at, at_split(series, at, |e| e.val, candidates, parameters)))
        .max_by(|a, b| a.1.lower.total_cmp(&b.1.lower))
}

/// The rise of one split's score at `series[at]`, corrected as one of `candidates`.
///
/// Newcombe's interval for a difference of proportions, each level counting as one look at its
/// problems, however many evaluations it has: they ask the same problems and their adapters descend
/// from one another, so they are no independent draws, and a mean of correlated looks varies at
/// most as much as one of them. This errs on the safe side.
pub(super) fn at_split(
    series: &[Evaluation],
    at: usize,
    split: impl Fn(&Evaluation) -> Score + Copy,
    candidates: usize,
    parameters: &Parameters,
) -> Rise {
    let (before, after) = series.split_at(at);
    let level = |stretch: &[Evaluation]| {
        // The fewest that any of its evaluations had: the safe side.
        let problems = stretch.iter().map(|e| split(e).total).min().unwrap_or(0);
        (super::plateau::mean(stretch, split), f64::from(problems))
    };
    let (before, after) = (level(before), level(after));
    // Half of the error on each side, shared among the candidates.
    let z = normal_quantile(parameters.error / (2 * candidates.max(1)) as f64);
    let interval = difference(before, after, z);
    Rise {
        iteration: series[at].iteration,
        estimate: after.0 - before.0,
        lower: interval.lower,
        upper: interval.upper,
        candidates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(val: &[u32], total: u32) -> Vec<Evaluation> {
        let split = |correct| Score { correct, total };
        let at = |(i, &c): (usize, &u32)| Evaluation {
            iteration: i as u32,
            train: split(total),
            val: split(c),
            test: split(c),
        };
        val.iter().enumerate().map(at).collect()
    }

    #[test]
    fn finds_the_step_and_pays_for_the_search() {
        let parameters = Parameters::default();
        let step = series(&[3, 4, 3, 2, 3, 3, 4, 28, 29, 28, 29], 30);
        let (at, rise) = search(&step, &parameters).unwrap();
        assert_eq!((at, rise.iteration, rise.candidates), (7, 7, 4));
        let uncorrected = at_split(&step, 7, |e| e.val, 1, &parameters);
        assert!(
            rise.lower < uncorrected.lower && rise.lower > 0.5,
            "{rise:?} {uncorrected:?}"
        );
        assert_eq!(search(&step[..7], &parameters), None);
        assert_eq!(
            search(&step[..8], &parameters).map(|(at, rise)| (at, rise.candidates)),
            Some((5, 1))
        );
    }

    #[test]
    fn a_level_counts_as_one_look() {
        let parameters = Parameters::default();
        let (short, long) = (
            series(&[6, 6, 6, 6, 6, 15, 15, 15], 30),
            series(&[[6; 20], [15; 20]].concat(), 30),
        );
        let lower = |s: &[Evaluation], at| at_split(s, at, |e| e.val, 1, &parameters).lower;
        assert!((lower(&short, 5) - lower(&long, 20)).abs() < 1e-12);
    }
}
