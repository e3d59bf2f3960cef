//! Two iterations compared problem by problem: McNemar for greedy rollouts, the paired bootstrap
//! for sampled ones.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::stats::{
    COMPARISON_RESAMPLES, Cluster, Interval, McNemar, PairedDifference, mcnemar, paired, pass_at,
};
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
    pub greedy: GreedyComparison,
    /// By k; empty where nothing was sampled.
    pub pass_at: BTreeMap<u32, SampledComparison>,
}

/// Greedy accuracy before and after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GreedyComparison {
    pub before: f64,
    pub after: f64,
    /// Of the difference, by the bootstrap over problems.
    pub ci95: Interval,
    /// With the p-value.
    pub mcnemar: McNemar,
}

/// Sampled pass@k before and after.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SampledComparison {
    pub before: f64,
    pub after: f64,
    /// Problem by problem: a statement on these problems.
    pub paired: PairedDifference,
    /// Rule by rule: a statement on rules like these; `null` where there is only one.
    pub clustered: Option<PairedDifference>,
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
    let greedy = greedy(before, after).ok_or(Incomparable::Few {
        found: before.len(),
    })?;
    let mut pass_at = BTreeMap::new();
    for &k in ks {
        pass_at.insert(k, sampled(before, after, k)?);
    }
    Ok(Comparison {
        problems: before.len() as u32,
        greedy,
        pass_at,
    })
}

fn greedy(before: &[ProblemResult], after: &[ProblemResult]) -> Option<GreedyComparison> {
    let (old, new) = (greedy_values(before), greedy_values(after));
    let (mut lost, mut gained) = (0, 0);
    for (before, after) in before.iter().zip(after) {
        match (before.greedy, after.greedy) {
            (true, false) => lost += 1,
            (false, true) => gained += 1,
            _ => {}
        }
    }
    Some(GreedyComparison {
        before: mean(&old),
        after: mean(&new),
        // 0 stands for greedy in the seed: there is no pass@0.
        ci95: by_problem(&old, &new, 0)?.ci95,
        mcnemar: mcnemar(lost, gained),
    })
}

/// 1 where the greedy rollout is correct, else 0.
fn greedy_values(results: &[ProblemResult]) -> Vec<f64> {
    let mut values = Vec::with_capacity(results.len());
    for result in results {
        values.push(f64::from(u8::from(result.greedy)));
    }
    values
}

fn sampled(
    before: &[ProblemResult],
    after: &[ProblemResult],
    k: u32,
) -> Result<SampledComparison, Incomparable> {
    let (old, new) = (values(before, k)?, values(after, k)?);
    let mut by_rule: BTreeMap<(&str, &str), Cluster> = BTreeMap::new();
    for (result, (old, new)) in before.iter().zip(old.iter().zip(&new)) {
        // Problems of a rule fall together, so a rule is one draw of the bootstrap.
        let cluster = by_rule.entry((&result.family, &result.rule)).or_default();
        cluster.sum += new - old;
        cluster.count += 1.0;
    }
    let by_rule: Vec<Cluster> = by_rule.into_values().collect();
    Ok(SampledComparison {
        before: mean(&old),
        after: mean(&new),
        paired: by_problem(&old, &new, k).ok_or(Incomparable::Few {
            found: before.len(),
        })?,
        clustered: paired(&by_rule, COMPARISON_RESAMPLES, comparison_seed(b"rules", k)),
    })
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

fn by_problem(old: &[f64], new: &[f64], k: u32) -> Option<PairedDifference> {
    let mut differences = Vec::with_capacity(old.len());
    for (old, new) in old.iter().zip(new) {
        differences.push(Cluster {
            sum: new - old,
            count: 1.0,
        });
    }
    paired(
        &differences,
        COMPARISON_RESAMPLES,
        comparison_seed(b"problems", k),
    )
}

/// The same at every comparison, so that a comparison repeated says the same.
fn comparison_seed(unit: &[u8], k: u32) -> u64 {
    seed::derive(0, &[b"comparison", unit, &k.to_le_bytes()])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

impl fmt::Display for GreedyComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_points(f, self.after - self.before, self.ci95, self.mcnemar.p, 0.0)
    }
}

impl fmt::Display for SampledComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The smallest p that the bootstrap can give: no resample on one side, and the one that is
        // added.
        let least = 2.0 / (COMPARISON_RESAMPLES + 1) as f64;
        write_points(
            f,
            self.paired.difference,
            self.paired.ci95,
            self.paired.p,
            least,
        )
    }
}

/// `+23.4 points [15.2, 31.0], p = 0.0004`; `least_p` is the smallest p the method can tell apart.
fn write_points(
    f: &mut fmt::Formatter<'_>,
    difference: f64,
    ci95: Interval,
    p: f64,
    least_p: f64,
) -> fmt::Result {
    write!(
        f,
        "{:+.1} points [{:.1}, {:.1}], ",
        100.0 * difference,
        100.0 * ci95.lower,
        100.0 * ci95.upper
    )?;
    // Below that the number would claim more than the method or four decimals can say.
    let shown = least_p.max(0.0001);
    if p <= shown {
        write!(f, "p ≤ {shown:.4}")
    } else {
        write!(f, "p = {p:.4}")
    }
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
            (
                comparison.greedy.mcnemar.lost,
                comparison.greedy.mcnemar.gained
            ),
            (0, 16)
        );
        assert_eq!(
            (comparison.greedy.before, comparison.greedy.after),
            (0.375, 0.625)
        );
        assert!((comparison.greedy.mcnemar.p - 2.0 * 0.5f64.powi(16)).abs() < 1e-15);
        let one = &comparison.pass_at[&1];
        assert!(
            (one.paired.difference - (one.after - one.before)).abs() < 1e-12 && one.paired.p < 0.01,
            "{one:?}"
        );
        let clustered = one.clustered.unwrap();
        assert!(
            clustered.ci95.upper - clustered.ci95.lower
                > 1.5 * (one.paired.ci95.upper - one.paired.ci95.lower)
        );
        let text = one.to_string();
        assert!(
            text.starts_with("+31.2 points [2") && text.ends_with("], p ≤ 0.0002"),
            "{text}"
        );
        let back: Comparison =
            serde_json::from_str(&serde_json::to_string(&comparison).unwrap()).unwrap();
        assert_eq!(back, comparison);
    }

    #[test]
    fn a_model_does_not_differ_from_itself() {
        let same = results(|p| p % 2 == 0, |p| p % 5);
        let comparison = compare(&same, &same, &[1]).unwrap();
        assert_eq!(
            (comparison.greedy.mcnemar.p, comparison.pass_at[&1].paired.p),
            (1.0, 1.0)
        );
        assert_eq!(
            comparison.greedy.to_string(),
            "+0.0 points [0.0, 0.0], p = 1.0000"
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
