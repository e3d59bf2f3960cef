//! Where a gain in sampled accuracy comes from: from answers that can be run at all, or from what
//! they compute; and from functions that were right sometimes before, or never.

use serde::{Deserialize, Serialize};

use super::lines::{Count, MetricsLine, Sampled};
use crate::stats::{Interval, Z95, wilson};
use crate::{Split, Verdict};

/// A gain from one evaluation to a later one, on the samples of one split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decomposition {
    /// Shares of samples that are correct.
    pub before: f64,
    pub after: f64,
    /// What of the difference between them is due to the share of samples whose code can be run;
    /// the rest is due to how many of those are correct.
    pub form: f64,
    /// The units, by what became of them.
    pub sharpened: Part,
    pub new: Part,
    pub lost: Part,
    pub others: Part,
    /// The fewest samples that a unit has.
    pub least_samples: u32,
}

/// Some of the units, and what their correct samples add to the share of all samples.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Part {
    pub units: u32,
    pub change: f64,
}

/// What of the change from `before` to `after` comes from where. `None` where one of them has no
/// samples of the split, or their units differ.
pub fn decompose(before: &MetricsLine, after: &MetricsLine, split: Split) -> Option<Decomposition> {
    let sampled = |line: &MetricsLine| -> Option<Shares> {
        Shares::of(line.splits.get(&split)?.sampled.as_ref()?)
    };
    let (old, new) = (sampled(before)?, sampled(after)?);
    let pairs = pairs(before, after, split)?;
    let mut found = Decomposition {
        before: old.correct(),
        after: new.correct(),
        // Of a product's change each factor has its own, times the other's mean: they add up.
        form: (new.run - old.run) * f64::midpoint(old.correct_of_run, new.correct_of_run),
        sharpened: Part::default(),
        new: Part::default(),
        lost: Part::default(),
        others: Part::default(),
        least_samples: u32::MAX,
    };
    let all = |of: fn(&(Count, Count)) -> u32| f64::from(pairs.iter().map(of).sum::<u32>().max(1));
    let (all_old, all_new) = (all(|pair| pair.0.total), all(|pair| pair.1.total));
    for (old, new) in &pairs {
        let change = f64::from(new.correct) / all_new - f64::from(old.correct) / all_old;
        let part = match kind(old, new) {
            Kind::Sharpened => &mut found.sharpened,
            Kind::New => &mut found.new,
            Kind::Lost => &mut found.lost,
            Kind::Other => &mut found.others,
        };
        part.units += 1;
        part.change += change;
        found.least_samples = found.least_samples.min(old.total).min(new.total);
    }
    Some(found)
}

enum Kind {
    /// Right sometimes before, and more often after.
    Sharpened,
    /// Never right before, and after it more often than could have been overlooked.
    New,
    /// Right sometimes before, and never after.
    Lost,
    Other,
}

fn kind(old: &Count, new: &Count) -> Kind {
    if old.correct > 0 && new.correct == 0 {
        return Kind::Lost;
    }
    if old.correct > 0 && rate(new) > rate(old) {
        return Kind::Sharpened;
    }
    if old.correct == 0 && interval(new).lower > interval(old).upper {
        return Kind::New;
    }
    Kind::Other
}

fn rate(count: &Count) -> f64 {
    f64::from(count.correct) / f64::from(count.total.max(1))
}

fn interval(count: &Count) -> Interval {
    wilson(rate(count), f64::from(count.total), Z95)
}

/// The samples of each unit, before and after. `None` where there are none, or the units differ.
fn pairs(before: &MetricsLine, after: &MetricsLine, split: Split) -> Option<Vec<(Count, Count)>> {
    let mut pairs = Vec::new();
    for (unit, by_split) in before.units() {
        let Some(share) = by_split.get(&split) else {
            continue;
        };
        let other = after.units().get(unit)?.get(&split)?;
        pairs.push((share.sampled?, other.sampled?));
    }
    let asked = after.units().values();
    let asked = asked.filter(|by_split| by_split.contains_key(&split));
    (!pairs.is_empty() && pairs.len() == asked.count()).then_some(pairs)
}

/// A split's samples as two shares whose product is the accuracy.
struct Shares {
    /// Those whose code defines the function, so that it could be run.
    run: f64,
    correct_of_run: f64,
}

impl Shares {
    fn of(sampled: &Sampled) -> Option<Self> {
        let unrun = [
            Verdict::NoCode,
            Verdict::SyntaxError,
            Verdict::MissingFunction,
        ];
        let unrun: u32 = unrun.iter().filter_map(|v| sampled.verdicts.get(v)).sum();
        let run = sampled.total.checked_sub(unrun)?;
        (sampled.total > 0).then(|| Self {
            run: f64::from(run) / f64::from(sampled.total),
            correct_of_run: f64::from(sampled.correct) / f64::from(run.max(1)),
        })
    }

    fn correct(&self) -> f64 {
        self.run * self.correct_of_run
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Holdout;
    use crate::grokking::Phase;
    use crate::metrics::{EvaluationSeconds, Grokking, Share, SplitMetrics};

    const NONE: Interval = Interval {
        lower: 0.0,
        upper: 1.0,
    };

    /// An evaluation with so many correct of 20 samples of each rule, and so many that cannot run.
    fn line(correct: &[u32], unrun: u32) -> MetricsLine {
        let total = 20 * correct.len() as u32;
        let right = correct.iter().sum();
        let sampled = Sampled {
            n: 20,
            temperature: 0.8,
            top_p: 1.0,
            pass_at: BTreeMap::new(),
            ci95_clustered: BTreeMap::new(),
            total,
            correct: right,
            shortcuts: 0,
            verdicts: BTreeMap::from([
                (Verdict::Passed, right),
                (Verdict::SyntaxError, unrun),
                (Verdict::WrongAnswer, total - right - unrun),
            ]),
        };
        let score = SplitMetrics {
            total: correct.len() as u32,
            correct: 0,
            accuracy: 0.0,
            ci95: NONE,
            units: correct.len() as u32,
            ci95_clustered: None,
            shortcuts: 0,
            verdicts: BTreeMap::new(),
            sampled: Some(sampled),
        };
        let mut rules = BTreeMap::new();
        for (rule, &correct) in correct.iter().enumerate() {
            let share = Share {
                total: 1,
                correct: 0,
                sampled: Some(Count { total: 20, correct }),
            };
            let by_split = BTreeMap::from([(Split::Test, share)]);
            rules.insert(format!("folds/{rule}"), by_split);
        }
        MetricsLine {
            iteration: 0,
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
            seconds: EvaluationSeconds::default(),
        }
    }

    #[test]
    fn every_unit_is_of_one_kind_and_the_parts_add_up() {
        // Sharpened; new; lost; 0 of 20 before and 1 after, which shows nothing; less often right.
        let before = line(&[2, 0, 3, 0, 20], 40);
        let after = line(&[18, 15, 0, 1, 10], 0);
        let found = decompose(&before, &after, Split::Test).unwrap();
        let units = [found.sharpened, found.new, found.lost, found.others].map(|part| part.units);
        assert_eq!(units, [1, 1, 1, 2]);
        let changes =
            [found.sharpened, found.new, found.lost, found.others].map(|part| part.change);
        for (change, expected) in changes.iter().zip([0.16, 0.15, -0.03, -0.09]) {
            assert!((change - expected).abs() < 1e-12, "{changes:?}");
        }
        let sum: f64 = changes.iter().sum();
        assert!((sum - (found.after - found.before)).abs() < 1e-12);
        assert_eq!((found.before, found.after), (0.25, 0.44));
        // 60 of 100 could be run, then all; 25 of 60 were right, then 44 of 100.
        let form = 0.4 * (25.0 / 60.0 + 0.44) / 2.0;
        assert!((found.form - form).abs() < 1e-12, "{found:?}");
        assert_eq!(found.least_samples, 20);
    }

    #[test]
    fn what_has_no_samples_or_other_units_is_not_decomposed() {
        let (before, mut after) = (line(&[2, 0], 0), line(&[3, 1], 0));
        assert!(decompose(&before, &after, Split::Val).is_none());
        assert!(decompose(&before, &line(&[3], 0), Split::Test).is_none());
        assert!(decompose(&line(&[3], 0), &after, Split::Test).is_none());
        after.splits.get_mut(&Split::Test).unwrap().sampled = None;
        assert!(decompose(&before, &after, Split::Test).is_none());
    }
}
