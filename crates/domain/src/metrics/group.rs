//! A group of experiments on the same problems: runs of a file that differ by their seed are an
//! arm, and arms differ by a setting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lines::{MetricsLine, Share};
use crate::stats::{CrossedDifference, crossed};
use crate::{Split, experiment::Problems, grokking::Phase, seed};

/// One completed experiment of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// For messages: its name and id.
    pub experiment: String,
    /// By which settings it differs from others of the group, but for the seed; may be empty.
    pub arm: String,
    pub seed: u64,
    /// With the seed that they were made from.
    pub problems: Problems,
    pub first: MetricsLine,
    pub last: MetricsLine,
    /// Examples and optimiser steps of all its iterations.
    pub examples: u64,
    pub steps: u64,
}

/// Runs that differ by their seed alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    pub arm: String,
    pub seeds: Vec<u64>,
    /// The last evaluated iteration of each seed.
    pub iterations: Vec<u32>,
    /// Greedy accuracy, the mean over units and seeds.
    pub before: f64,
    pub after: f64,
    /// The mean over seeds of what a run was trained on.
    pub examples: f64,
    pub steps: f64,
    /// From the first to the last evaluation.
    pub gain: CrossedDifference,
    /// Of how many seeds the search found a late and sharp rise.
    pub grokked: u32,
}

/// What an arm ends with over what another ends with, by the seeds that both have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmDifference {
    pub arm: String,
    pub against: String,
    /// `null` where they have no seed in common.
    pub difference: Option<CrossedDifference>,
}

/// A group, by one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupReport {
    pub split: Split,
    pub units: usize,
    pub arms: Vec<Arm>,
    /// The first arm over each of the others.
    pub differences: Vec<ArmDifference>,
}

/// Why experiments are no group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoGroup {
    #[error("none of them is completed")]
    Empty,
    #[error("{experiment} and {other} do not ask the same problems")]
    Problems { experiment: String, other: String },
    #[error("{experiment} and {other} are the same arm with the same seed, {seed}")]
    Twice {
        experiment: String,
        other: String,
        seed: u64,
    },
    #[error("they ask {found} {split} unit(s): at least 2 are needed")]
    Few { found: usize, split: Split },
}

/// Pools `runs` by arm, in the order in which arms first come.
///
/// # Errors
/// No runs, unlike problems, fewer than two units, or two runs with the same arm and seed.
pub fn pool(runs: &[Run], split: Split) -> Result<GroupReport, NoGroup> {
    let first = runs.first().ok_or(NoGroup::Empty)?;
    let asked = shares(&first.first, split);
    let mut arms: Vec<(&str, BTreeMap<u64, &Run>)> = Vec::new();
    for run in runs {
        let same = |line| totals(&shares(line, split)) == totals(&asked);
        if run.problems != first.problems || !same(&run.first) || !same(&run.last) {
            return Err(NoGroup::Problems {
                experiment: first.experiment.clone(),
                other: run.experiment.clone(),
            });
        }
        let place = arms.iter().position(|(arm, _)| *arm == run.arm);
        let place = place.unwrap_or_else(|| {
            arms.push((&run.arm, BTreeMap::new()));
            arms.len() - 1
        });
        if let Some(other) = arms[place].1.insert(run.seed, run) {
            return Err(NoGroup::Twice {
                experiment: other.experiment.clone(),
                other: run.experiment.clone(),
                seed: run.seed,
            });
        }
    }
    let few = NoGroup::Few {
        found: asked.len(),
        split,
    };
    let pooled: Option<Vec<Arm>> = arms
        .iter()
        .map(|(arm, runs)| of_arm(arm, runs, split))
        .collect();
    let mut differences = Vec::new();
    for other in &arms[1..] {
        differences.push(between(&arms[0], other, split));
    }
    Ok(GroupReport {
        split,
        units: asked.len(),
        arms: pooled.ok_or(few)?,
        differences,
    })
}

/// The units of a split.
fn shares(line: &MetricsLine, split: Split) -> BTreeMap<&str, Share> {
    let mut shares = BTreeMap::new();
    for (unit, by_split) in line.units() {
        if let Some(share) = by_split.get(&split) {
            shares.insert(unit.as_str(), *share);
        }
    }
    shares
}

/// How many problems each unit has.
fn totals<'a>(shares: &BTreeMap<&'a str, Share>) -> Vec<(&'a str, u32)> {
    shares
        .iter()
        .map(|(unit, share)| (*unit, share.total))
        .collect()
}

/// Each unit's accuracy in `after` over that in `before`; the units are the same.
fn changes(before: &MetricsLine, after: &MetricsLine, split: Split) -> Vec<f64> {
    let (before, after) = (shares(before, split), shares(after, split));
    let pairs = before.values().zip(after.values());
    pairs
        .map(|(before, after)| rate(after) - rate(before))
        .collect()
}

fn rate(share: &Share) -> f64 {
    f64::from(share.correct) / f64::from(share.total.max(1))
}

/// The mean over units, as the gain counts them.
fn accuracy(line: &MetricsLine, split: Split) -> f64 {
    let shares = shares(line, split);
    shares.values().map(rate).sum::<f64>() / shares.len().max(1) as f64
}

fn of_arm(arm: &str, runs: &BTreeMap<u64, &Run>, split: Split) -> Option<Arm> {
    let mean = |value: &dyn Fn(&Run) -> f64| {
        runs.values().map(|run| value(run)).sum::<f64>() / runs.len() as f64
    };
    let mut gains = Vec::with_capacity(runs.len());
    for run in runs.values() {
        gains.push(changes(&run.first, &run.last, split));
    }
    let grokked = |run: &&&Run| run.last.grokking.phase == Phase::Grokked;
    Some(Arm {
        arm: arm.to_owned(),
        seeds: runs.keys().copied().collect(),
        iterations: runs.values().map(|run| run.last.iteration).collect(),
        before: mean(&|run| accuracy(&run.first, split)),
        after: mean(&|run| accuracy(&run.last, split)),
        examples: mean(&|run| run.examples as f64),
        steps: mean(&|run| run.steps as f64),
        gain: crossed(&gains, group_seed())?,
        grokked: runs.values().filter(grokked).count() as u32,
    })
}

fn between(
    (arm, runs): &(&str, BTreeMap<u64, &Run>),
    (against, others): &(&str, BTreeMap<u64, &Run>),
    split: Split,
) -> ArmDifference {
    let mut by_seed = Vec::with_capacity(runs.len());
    for (seed, run) in runs {
        if let Some(other) = others.get(seed) {
            by_seed.push(changes(&other.last, &run.last, split));
        }
    }
    ArmDifference {
        arm: (*arm).to_owned(),
        against: (*against).to_owned(),
        difference: crossed(&by_seed, group_seed()),
    }
}

/// For tests that must draw their patterns of signs.
fn group_seed() -> u64 {
    seed::derive(0, &[b"group"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Holdout;
    use crate::metrics::{Grokking, SplitMetrics};
    use crate::stats::Interval;

    /// An evaluation in which these rules of test are solved, of one problem each.
    fn line(iteration: u32, solved: &[bool]) -> MetricsLine {
        let correct = solved.iter().filter(|solved| **solved).count() as u32;
        let score = SplitMetrics {
            total: solved.len() as u32,
            correct,
            accuracy: f64::from(correct) / solved.len() as f64,
            ci95: Interval {
                lower: 0.0,
                upper: 1.0,
            },
            units: solved.len() as u32,
            ci95_clustered: None,
            shortcuts: 0,
            verdicts: BTreeMap::new(),
            sampled: None,
        };
        let mut rules = BTreeMap::new();
        for (rule, solved) in solved.iter().enumerate() {
            let share = Share {
                total: 1,
                correct: u32::from(*solved),
                sampled: None,
            };
            rules.insert(
                format!("folds/{rule}"),
                BTreeMap::from([(Split::Test, share)]),
            );
        }
        MetricsLine {
            iteration,
            adapter: None,
            holdout: Holdout::Rule,
            splits: BTreeMap::from([(Split::Test, score)]),
            families: BTreeMap::new(),
            rules,
            units: None,
            grokking: Grokking {
                phase: Phase::None,
                onset: None,
                report: None,
                families: BTreeMap::new(),
            },
            seconds: Default::default(),
        }
    }

    fn run(arm: &str, seed: u64, before: &[bool], after: &[bool]) -> Run {
        Run {
            experiment: format!("{arm}{seed}"),
            arm: arm.to_owned(),
            seed,
            problems: Problems::default(),
            first: line(0, before),
            last: line(3, after),
            examples: 10 * seed,
            steps: seed,
        }
    }

    const NONE: [bool; 8] = [false; 8];
    const ALL: [bool; 8] = [true; 8];
    const HALF: [bool; 8] = [true, false, true, false, true, false, true, false];

    #[test]
    fn seeds_are_pooled_and_arms_are_held_against_the_first() {
        let mut grokked = run("any", 2, &NONE, &HALF);
        grokked.last.grokking.phase = Phase::Grokked;
        let runs = [
            run("verified", 1, &NONE, &ALL),
            run("any", 1, &NONE, &NONE),
            run("verified", 2, &NONE, &HALF),
            grokked,
            run("verified", 3, &NONE, &ALL),
        ];
        let report = pool(&runs, Split::Test).unwrap();
        assert_eq!((report.units, report.arms.len()), (8, 2));
        let [verified, any] = &report.arms[..] else {
            panic!("{report:?}");
        };
        assert_eq!(
            (verified.seeds.as_slice(), any.seeds.as_slice()),
            (&[1, 2, 3][..], &[1, 2][..])
        );
        assert!((verified.after - 2.5 / 3.0).abs() < 1e-12, "{verified:?}");
        assert!((verified.gain.difference - 2.5 / 3.0).abs() < 1e-12);
        assert_eq!((verified.grokked, any.grokked), (0, 1));
        assert_eq!((verified.examples, verified.steps), (20.0, 2.0));
        // Of the seeds that both have: 1 - 0 and 0.5 - 0.5.
        let [between] = &report.differences[..] else {
            panic!("{report:?}");
        };
        assert_eq!(
            (between.arm.as_str(), between.against.as_str()),
            ("verified", "any")
        );
        let difference = between.difference.unwrap();
        assert_eq!((difference.seeds, difference.difference), (2, 0.5));

        let alone = [run("verified", 1, &NONE, &ALL), run("any", 2, &NONE, &ALL)];
        let report = pool(&alone, Split::Test).unwrap();
        assert_eq!(report.differences[0].difference, None, "no seed in common");
    }

    /// A rule of three problems counts as much as one of one, before, after and in the gain.
    #[test]
    fn units_count_alike() {
        let mut uneven = run("a", 1, &[false, false], &[true, false]);
        for line in [&mut uneven.first, &mut uneven.last] {
            let first = line.rules.get_mut("folds/0").unwrap();
            let share = first.get_mut(&Split::Test).unwrap();
            (share.total, share.correct) = (3, 3 * share.correct);
        }
        let report = pool(&[uneven], Split::Test).unwrap();
        let arm = &report.arms[0];
        assert_eq!(
            (arm.before, arm.after, arm.gain.difference),
            (0.0, 0.5, 0.5)
        );
    }

    #[test]
    fn what_is_no_group_is_refused_by_name() {
        let one = || run("a", 1, &NONE, &ALL);
        let refused = |runs: &[Run]| pool(runs, Split::Test).unwrap_err().to_string();
        assert_eq!(refused(&[]), "none of them is completed");
        let mut others = run("b", 1, &NONE, &ALL);
        others.problems.seed = Some(2);
        for other in [run("b", 1, &NONE[..4], &ALL[..4]), others] {
            assert_eq!(
                refused(&[one(), other]),
                "a1 and b1 do not ask the same problems"
            );
        }
        assert_eq!(
            refused(&[one(), one()]),
            "a1 and a1 are the same arm with the same seed, 1"
        );
        let single = run("a", 1, &NONE[..1], &ALL[..1]);
        assert_eq!(
            refused(&[single]),
            "they ask 1 test unit(s): at least 2 are needed"
        );
        let no_val = pool(&[one()], Split::Val).unwrap_err().to_string();
        assert_eq!(no_val, "they ask 0 val unit(s): at least 2 are needed");
    }
}
