//! Accuracy by iteration and split as a table, and training iterations as a table.

use comfy_table::Table;
use groklab_domain::metrics::{IterationLine, MetricsLine, SplitMetrics};
use groklab_pages::figures::{
    NO_FIGURE, interval, loss, pass_at, pass_at_heading, pass_at_ks, percent, percent_or_none,
    phase, units,
};

use super::tables::table;

/// One row per evaluated iteration and split.
pub fn accuracy_table(evaluations: &[MetricsLine]) -> Table {
    let ks = pass_at_ks(evaluations);
    let pass_at_headings: Vec<String> = ks.iter().map(pass_at_heading).collect();
    let mut header = vec![
        "iteration",
        "split",
        "correct",
        "greedy",
        "n",
        "95 % over n",
    ];
    header.extend(pass_at_headings.iter().map(String::as_str));
    // Everything before it but the split is a figure.
    let shortcuts_column = header.len();
    header.extend(["shortcuts", "phase"]);
    let mut figure_columns = vec![0];
    figure_columns.extend(2..=shortcuts_column);
    let mut table = table(&header, &figure_columns);
    for evaluation in evaluations {
        // What holds for the whole iteration stands in its first row alone.
        let mut iteration = evaluation.iteration.to_string();
        let mut phase = phase(evaluation);
        for (split, score) in &evaluation.splits {
            let mut row = vec![std::mem::take(&mut iteration), split.to_string()];
            row.extend(score_cells(score, &ks));
            row.push(std::mem::take(&mut phase));
            table.add_row(row);
        }
    }
    table
}

fn score_cells(score: &SplitMetrics, ks: &[u32]) -> Vec<String> {
    let mut cells = vec![
        format!("{}/{}", score.correct, score.total),
        percent(score.accuracy),
        units(score.units),
        // A single one shows nothing of how they vary.
        score.ci95_clustered.map_or(NO_FIGURE.to_owned(), interval),
    ];
    for &k in ks {
        cells.push(percent_or_none(pass_at(score, k)));
    }
    cells.push(score.shortcuts.to_string());
    cells
}

/// One row per training iteration.
pub fn iterations_table(iterations: &[IterationLine]) -> Table {
    let header = [
        "iteration",
        "rollouts",
        "correct",
        "shortcuts",
        "selected",
        "examples",
        "steps",
        "first loss",
        "last loss",
    ];
    let figure_columns: Vec<usize> = (0..header.len()).collect();
    let mut table = table(&header, &figure_columns);
    for line in iterations {
        table.add_row(iteration_row(line));
    }
    table
}

fn iteration_row(line: &IterationLine) -> Vec<String> {
    let (rollouts, training) = (&line.rollouts, &line.training);
    let correct = match rollouts.total {
        // A share of nothing is no number.
        0 => "0".to_owned(),
        total => {
            let share = f64::from(rollouts.correct) / f64::from(total);
            format!("{} ({})", rollouts.correct, percent(share))
        }
    };
    vec![
        line.iteration.to_string(),
        rollouts.total.to_string(),
        correct,
        rollouts.shortcuts.to_string(),
        rollouts.selected.to_string(),
        training.examples.to_string(),
        training.steps.to_string(),
        loss(training.first_loss),
        loss(training.last_loss),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn rows(table: &Table) -> Vec<String> {
        let text = table.trim_fmt();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect()
    }

    #[test]
    fn the_table_has_a_row_per_split() {
        let rows = rows(&accuracy_table(&sample::metrics()[1..]));
        assert_eq!(
            rows[1],
            "│ iteration split correct greedy n 95 % over n pass@1 pass@4 shortcuts phase │"
        );
        assert_eq!(
            rows[3],
            "│ 3 train 48/48 100.0 % 4 rules [51.0, 100.0] – – 0 memorised │"
        );
        assert_eq!(
            rows[4],
            "│ test 41/64 64.1 % 4 rules [21.9, 91.9] 58.2 % 75.0 % 3 │"
        );
    }

    #[test]
    fn a_training_iteration_is_a_row() {
        let nothing = IterationLine {
            iteration: 3,
            rollouts: Default::default(),
            training: Default::default(),
            ..sample::iterations()[0].clone()
        };
        let rows = rows(&iterations_table(&[
            sample::iterations()[1].clone(),
            nothing,
        ]));
        assert_eq!(rows[3], "│ 1 120 41 (34.2 %) 6 28 28 8 0.9000 0.2000 │");
        assert_eq!(rows[4], "│ 3 0 0 0 0 0 0 – – │");
    }
}
