//! The evaluations of an experiment as the series that the search for grokking looks at.

use std::collections::BTreeMap;

use super::lines::{MetricsLine, Share};
use crate::Split;
use crate::grokking::{Parameters, Report, Series, Unit, detect};

/// The series of these lines, which are in order of iteration; iterations are its times.
pub fn series(lines: &[MetricsLine]) -> Series {
    series_of(lines, "")
}

/// What each family's units alone show, where it has enough of them. Every family is another look,
/// so the error is shared among them (Bonferroni).
pub fn detect_families(lines: &[MetricsLine], parameters: &Parameters) -> BTreeMap<String, Report> {
    let mut able = Vec::new();
    // Every line has the same families; the last one speaks for all.
    let families = lines.last().map(|line| line.families.keys());
    for family in families.into_iter().flatten() {
        let series = series_of(lines, &format!("{family}/"));
        if series.val.len().min(series.test.len()) >= parameters.least_units {
            able.push((family.clone(), series));
        }
    }
    let parameters = Parameters {
        error: parameters.error / able.len().max(1) as f64,
        test_error: parameters.test_error / able.len().max(1) as f64,
        // An interval that is asked further out needs more of them.
        resamples: parameters.resamples * able.len().max(1),
        ..*parameters
    };
    let report = |(family, series)| (family, detect(&series, &parameters).tidy());
    able.into_iter().map(report).collect()
}

/// The same of the units whose names begin so.
fn series_of(lines: &[MetricsLine], prefix: &str) -> Series {
    let greedy = |share: &Share| Some((share.correct, share.total));
    let split = |split| units(lines, split, prefix, greedy).unwrap_or_default();
    Series {
        times: lines.iter().map(|line| f64::from(line.iteration)).collect(),
        train: split(Split::Train),
        val: split(Split::Val),
        test: split(Split::Test),
        val_sampled: units(lines, Split::Val, prefix, |share| {
            share.sampled.map(|count| (count.correct, count.total))
        }),
    }
}

/// A split's units that every line has; `None` where one of them was not counted in this way.
fn units(
    lines: &[MetricsLine],
    split: Split,
    prefix: &str,
    counted: impl Fn(&Share) -> Option<(u32, u32)>,
) -> Option<Vec<Unit>> {
    let mut by_name: BTreeMap<&str, Unit> = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        for (name, shares) in line.units() {
            let Some(share) = shares.get(&split).filter(|_| name.starts_with(prefix)) else {
                continue;
            };
            let (correct, total) = counted(share)?;
            let new = || Unit {
                problems: f64::from(total),
                rates: Vec::with_capacity(lines.len()),
            };
            let unit = by_name.entry(name).or_insert_with(new);
            // A unit that an earlier line lacks cannot be followed.
            if unit.rates.len() == place {
                unit.rates
                    .push(f64::from(correct) / f64::from(total.max(1)));
            }
        }
    }
    by_name.retain(|_, unit| unit.rates.len() == lines.len());
    Some(by_name.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grokking::Phase;

    /// Two families of `units` rules: one groks at iteration 12, the other knows nothing of val.
    fn lines(units: u32) -> Vec<MetricsLine> {
        let share = |correct: bool| serde_json::json!({"total": 1, "correct": u32::from(correct)});
        let mut lines = Vec::new();
        for iteration in 0..24 {
            let (mut rules, mut families) = (serde_json::Map::new(), serde_json::Map::new());
            for family in ["late", "never"] {
                families.insert(family.into(), serde_json::json!({}));
                for rule in 0..units {
                    let rises = family == "late" && iteration >= 12;
                    let shares = serde_json::json!({
                        "train": share(iteration >= 2), "val": share(rises), "test": share(rises),
                    });
                    rules.insert(format!("{family}/{rule}"), shares);
                }
            }
            let line = serde_json::json!({
                "iteration": iteration, "adapter": null, "holdout": "rule", "splits": {},
                "families": families, "rules": rules,
                "grokking": {"phase": "plateau", "onset": null},
                "seconds": {"generate": 0.0, "verify": 0.0},
            });
            lines.push(serde_json::from_value(line).unwrap());
        }
        lines
    }

    #[test]
    fn each_family_is_judged_alone() {
        let lines = lines(40);
        let all = series(&lines);
        assert_eq!(
            (all.times.len(), all.val.len(), all.val_sampled),
            (24, 80, None)
        );
        let parameters = Parameters::default();
        assert_ne!(detect(&series(&lines), &parameters).phase, Phase::Grokked);
        let families = detect_families(&lines, &parameters);
        assert_eq!(families["late"].phase, Phase::Grokked, "{families:?}");
        assert_eq!(families["never"].phase, Phase::Memorised);
    }

    #[test]
    fn families_of_few_rules_are_not_judged() {
        assert!(detect_families(&lines(11), &Parameters::default()).is_empty());
        assert!(series(&[]).val.is_empty());
    }

    #[test]
    fn a_unit_that_came_late_is_not_followed() {
        let mut lines = lines(3);
        lines[0].rules.remove("late/1");
        assert_eq!(series(&lines).val.len(), 5);
    }
}
