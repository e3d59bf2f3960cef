//! A group of experiments, as a table by arm and as sentences on how arms differ.

use comfy_table::Table;
use groklab_domain::metrics::{Arm, ArmDifference, GroupReport};
use groklab_pages::figures::{difference_figures, interval, p_figure, percent, units};

use super::tables::table;

/// One row per arm: greedy accuracy before and after, and the gain over units and seeds.
pub fn group_table(report: &GroupReport) -> Table {
    let header = [
        "arm",
        "seeds",
        "iterations",
        "examples",
        "steps",
        "before",
        "after",
        "gain",
        "95 %",
        "p",
        "grokked",
    ];
    let mut table = table(&header, &[1, 3, 4, 5, 6, 7, 8, 9, 10]);
    for arm in &report.arms {
        table.add_row(row(arm));
    }
    table
}

fn row(arm: &Arm) -> Vec<String> {
    let (seeds, gain) = (arm.seeds.len(), &arm.gain);
    vec![
        named(&arm.arm).to_owned(),
        seeds.to_string(),
        iterations(&arm.iterations),
        format!("{:.0}", arm.examples),
        format!("{:.0}", arm.steps),
        percent(arm.before),
        percent(arm.after),
        format!("{:+.1} points", 100.0 * gain.difference),
        interval(gain.ci95),
        p_figure(gain.p),
        format!("{} of {seeds}", arm.grokked),
    ]
}

/// "3", or "2 to 3" where members are not equally far.
fn iterations(last: &[u32]) -> String {
    match (last.iter().min(), last.iter().max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (Some(least), _) => least.to_string(),
        (None, _) => String::new(),
    }
}

fn named(arm: &str) -> &str {
    if arm.is_empty() { "all alike" } else { arm }
}

/// What the table counts, and the first arm over each other one.
pub fn group_sentences(report: &GroupReport, tag: &str) -> Vec<String> {
    let n = units(u32::try_from(report.units).unwrap_or(u32::MAX));
    let mut sentences = vec![format!(
        "{tag}: {} accuracy, greedy, n = {n} that count alike; a gain is from the first to the \
         last evaluation, its interval and p over rules, and over seeds where there are several",
        report.split
    )];
    sentences.extend(report.differences.iter().map(sentence));
    sentences
}

fn sentence(between: &ArmDifference) -> String {
    let (arm, against) = (named(&between.arm), named(&between.against));
    let Some(difference) = &between.difference else {
        return format!("{arm} over {against}: they have no seed in common");
    };
    let seeds = difference.seeds;
    let plural = if seeds == 1 { "" } else { "s" };
    let figures = difference_figures(difference.difference, difference.ci95, difference.p);
    format!("{arm} over {against}, {seeds} seed{plural}: {figures}")
}

#[cfg(test)]
mod tests {
    use groklab_domain::{
        Split,
        stats::{CrossedDifference, Interval},
    };

    use super::*;

    #[test]
    fn arms_are_rows_and_their_differences_sentences() {
        let difference = CrossedDifference {
            seeds: 2,
            units: 36,
            difference: 0.25,
            ci95: Interval {
                lower: 0.1,
                upper: 0.4,
            },
            p: 0.00001,
        };
        let arm = |name: &str| Arm {
            arm: name.to_owned(),
            seeds: vec![1, 2],
            iterations: vec![3, 2],
            examples: 37.5,
            steps: 12.0,
            before: 0.125,
            after: 0.375,
            gain: difference,
            grokked: 1,
        };
        let report = GroupReport {
            split: Split::Test,
            units: 36,
            arms: vec![arm("train.select=verified"), arm("train.select=any")],
            differences: vec![ArmDifference {
                arm: "train.select=verified".to_owned(),
                against: "train.select=any".to_owned(),
                difference: Some(difference),
            }],
        };
        let text = group_table(&report).trim_fmt();
        let row = text.lines().nth(3).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            cells.join(" "),
            "│ train.select=verified 2 2 to 3 38 12 12.5 % 37.5 % +25.0 points [10.0, 40.0] < 0.0001 1 of 2 │"
        );
        assert_eq!(
            group_sentences(&report, "learn")[1],
            "train.select=verified over train.select=any, 2 seeds: +25.0 points [10.0, 40.0], \
             p < 0.0001"
        );
    }
}
