//! Two iterations compared on the same problems: by units, which is the statement that counts, and
//! by problems, which speak for themselves alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::problem_ref::{ProblemRef, unit_of};
use crate::stats::{Cluster, McNemar, PairedDifference, mcnemar, paired, pass_at};
use crate::{Split, seed};

/// One problem's results in one evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemResult {
    /// The problem's ordinal.
    pub problem: u32,
    pub split: Split,
    pub family: String,
    pub rule: String,
    /// Whether the greedy rollout is correct.
    pub greedy: bool,
    /// Sampled rollouts, and how many of them are correct.
    pub samples: u32,
    pub correct: u32,
}

/// A comparison of the same problems before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub problems: u32,
    /// What passes or fails together: rules, as a rule.
    pub units: u32,
    pub greedy: Compared,
    /// Problems whose greedy rollout changed, with their own p.
    pub mcnemar: McNemar,
    /// By k; empty where nothing was sampled.
    pub pass_at: BTreeMap<u32, Compared>,
}

/// One measure before and after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    pub before: f64,
    pub after: f64,
    /// Unit by unit: a statement on units like these; `null` where there is only one.
    pub over_units: Option<PairedDifference>,
    /// Problem by problem: a statement on these problems alone.
    pub over_problems: PairedDifference,
}

/// Why two evaluations can't be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    #[error("{before} problems before and {after} after, or not the same ones")]
    Problems { before: usize, after: usize },
    #[error("{found} problems: at least 2 are needed")]
    Few { found: usize },
    #[error("pass@{k} is not defined for {samples} samples of problem {problem}")]
    PassAt { k: u32, samples: u32, problem: u32 },
}

/// Compares `after` with `before`, the results of the same problems in the same order (one split's,
/// as a rule).
///
/// # Errors
/// Different problems, fewer than two, or a k above a problem's number of samples.
pub fn compare(
    before: &[ProblemResult],
    after: &[ProblemResult],
    ks: &[u32],
) -> Result<Comparison, Incomparable> {
    let same = before.len() == after.len()
        && before
            .iter()
            .zip(after)
            // Pairing problems that differ would compare them with each other in silence.
            .all(|(b, a)| b.problem == a.problem);
    if !same {
        return Err(Incomparable::Problems {
            before: before.len(),
            after: after.len(),
        });
    }
    let too_few = Incomparable::Few {
        found: before.len(),
    };
    let (old, new) = (greedy_values(before), greedy_values(after));
    let greedy = compared(before, &old, &new).ok_or(too_few.clone())?;
    let mut pass_at = BTreeMap::new();
    for &k in ks {
        let (old, new) = (values(before, k)?, values(after, k)?);
        let compared = compared(before, &old, &new).ok_or(too_few.clone())?;
        pass_at.insert(k, compared);
    }
    Ok(Comparison {
        problems: before.len() as u32,
        units: by_unit(before, &old, &new).len() as u32,
        greedy,
        mcnemar: changed(before, after),
        pass_at,
    })
}

fn changed(before: &[ProblemResult], after: &[ProblemResult]) -> McNemar {
    let (mut lost, mut gained) = (0, 0);
    for (before, after) in before.iter().zip(after) {
        match (before.greedy, after.greedy) {
            (true, false) => lost += 1,
            (false, true) => gained += 1,
            _ => {}
        }
    }
    mcnemar(lost, gained)
}

/// `None` for fewer than two problems.
fn compared(problems: &[ProblemResult], old: &[f64], new: &[f64]) -> Option<Compared> {
    let single = old.iter().zip(new).map(|(old, new)| Cluster {
        sum: new - old,
        count: 1.0,
    });
    let single: Vec<Cluster> = single.collect();
    Some(Compared {
        before: mean(old),
        after: mean(new),
        over_units: paired(&by_unit(problems, old, new), comparison_seed(b"units")),
        over_problems: paired(&single, comparison_seed(b"problems"))?,
    })
}

/// The differences of each unit's problems together.
fn by_unit(problems: &[ProblemResult], old: &[f64], new: &[f64]) -> Vec<Cluster> {
    let mut by_unit: BTreeMap<String, Cluster> = BTreeMap::new();
    for (problem, (old, new)) in problems.iter().zip(old.iter().zip(new)) {
        let cluster = by_unit.entry(problem.unit()).or_default();
        cluster.sum += new - old;
        cluster.count += 1.0;
    }
    by_unit.into_values().collect()
}

impl ProblemResult {
    fn unit(&self) -> String {
        unit_of(&ProblemRef {
            ordinal: self.problem,
            split: self.split,
            family: &self.family,
            rule: &self.rule,
        })
    }
}

/// 1 where the greedy rollout is correct, else 0.
fn greedy_values(results: &[ProblemResult]) -> Vec<f64> {
    let mut values = Vec::with_capacity(results.len());
    for result in results {
        values.push(f64::from(u8::from(result.greedy)));
    }
    values
}

fn values(results: &[ProblemResult], k: u32) -> Result<Vec<f64>, Incomparable> {
    let mut values = Vec::with_capacity(results.len());
    for result in results {
        let Some(value) = pass_at(result.samples, result.correct, k) else {
            return Err(Incomparable::PassAt {
                k,
                samples: result.samples,
                problem: result.problem,
            });
        };
        values.push(value);
    }
    Ok(values)
}

/// The same at every comparison, so that a comparison repeated says the same.
fn comparison_seed(unit: &[u8]) -> u64 {
    seed::derive(0, &[b"comparison", unit])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Split;

    fn results(greedy: impl Fn(u32) -> bool, correct: impl Fn(u32) -> u32) -> Vec<ProblemResult> {
        let one = |problem| ProblemResult {
            problem,
            split: Split::Test,
            family: format!("f{}", problem % 8),
            rule: "r".to_owned(),
            greedy: greedy(problem),
            samples: 4,
            correct: correct(problem),
        };
        (0..64).map(one).collect()
    }

    #[test]
    fn a_gain_is_told_with_its_interval() {
        let (before, after) = (
            results(|p| p % 8 < 3, |p| u32::from(p % 8 < 2)),
            results(|p| p % 8 < 5, |p| if p % 8 < 4 { 3 } else { 0 }),
        );
        let comparison = compare(&before, &after, &[1, 4]).unwrap();
        assert_eq!(
            (comparison.mcnemar.lost, comparison.mcnemar.gained),
            (0, 16)
        );
        assert_eq!(
            (comparison.greedy.before, comparison.greedy.after),
            (0.375, 0.625)
        );
        assert!((comparison.mcnemar.p - 2.0 * 0.5f64.powi(16)).abs() < 1e-15);
        assert!((comparison.greedy.over_problems.p - comparison.mcnemar.p).abs() < 1e-12);
        assert_eq!((comparison.problems, comparison.units), (64, 8));
        let (one, width) = (&comparison.pass_at[&1], |d: PairedDifference| {
            d.ci95.upper - d.ci95.lower
        });
        let units = one.over_units.unwrap();
        assert!((units.difference - (one.after - one.before)).abs() < 1e-12);
        assert!(width(units) > 2.0 * width(one.over_problems));
        // Two units gained and two lost nothing of the eight: the problems' p is not theirs.
        assert!(one.over_problems.p < 1e-6 && units.p > 0.1, "{one:?}");
        let back: Comparison =
            serde_json::from_str(&serde_json::to_string(&comparison).unwrap()).unwrap();
        assert_eq!(back, comparison);
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let same = results(|p| p % 2 == 0, |p| p % 5);
        let comparison = compare(&same, &same, &[1]).unwrap();
        let greedy = comparison.greedy.over_units.unwrap();
        assert_eq!((comparison.mcnemar.p, greedy.p), (1.0, 1.0));
        assert!(
            greedy.ci95.lower < -0.3 && greedy.ci95.upper > 0.3,
            "{greedy:?}"
        );
    }

    #[test]
    fn only_like_is_compared_with_like() {
        let all = results(|_| true, |_| 1);
        assert_eq!(
            compare(&all, &all[1..], &[1]),
            Err(Incomparable::Problems {
                before: 64,
                after: 63
            })
        );
        assert_eq!(
            compare(&all[..1], &all[..1], &[1]),
            Err(Incomparable::Few { found: 1 })
        );
        assert_eq!(
            compare(&all, &all, &[5]),
            Err(Incomparable::PassAt {
                k: 5,
                samples: 4,
                problem: 0
            })
        );
    }
}
