//! The report's tables: accuracy by iteration and split, and training by iteration.

use groklab_domain::metrics::{IterationLine, MetricsLine, SplitMetrics};

use crate::{
    figures::{self, NO_FIGURE, interval, pass_at, percent},
    html,
};

/// One row per evaluated iteration and split.
pub fn accuracy(evaluations: &[MetricsLine]) -> String {
    let ks = figures::pass_at_ks(evaluations);
    let pass_at_headings: Vec<String> = ks.iter().map(figures::pass_at_heading).collect();
    let mut header = vec![
        "iteration",
        "split",
        "correct",
        "greedy",
        "n",
        "95 % over n",
        "95 % for these problems",
    ];
    header.extend(pass_at_headings.iter().map(String::as_str));
    header.push("shortcuts");
    let mut rows = Vec::new();
    for evaluation in evaluations {
        for (split, score) in &evaluation.splits {
            // Repeated in every row, so that a row can be copied out by itself.
            let mut row = vec![evaluation.iteration.to_string(), split.to_string()];
            row.extend(score_cells(score, &ks));
            rows.push(row);
        }
    }
    html::table(&header, &rows)
}

fn score_cells(score: &SplitMetrics, ks: &[u32]) -> Vec<String> {
    // A single rule shows nothing of how they vary.
    let over_units = score.ci95_clustered.map(interval);
    let mut cells = vec![
        format!("{}/{}", score.correct, score.total),
        percent(score.accuracy),
        figures::units(score.units),
        over_units.unwrap_or_else(|| NO_FIGURE.to_owned()),
        interval(score.ci95),
    ];
    for &k in ks {
        cells.push(figures::percent_or_none(pass_at(score, k)));
    }
    cells.push(score.shortcuts.to_string());
    cells
}

/// One row per training iteration.
pub fn training(iterations: &[IterationLine]) -> String {
    let header = [
        "iteration",
        "rollouts",
        "correct",
        "shortcuts",
        "selected",
        "examples",
        "tokens",
        "steps",
        "first loss",
        "last loss",
    ];
    let rows: Vec<Vec<String>> = iterations.iter().map(training_row).collect();
    html::table(&header, &rows)
}

fn training_row(line: &IterationLine) -> Vec<String> {
    let (rollouts, training) = (&line.rollouts, &line.training);
    vec![
        line.iteration.to_string(),
        rollouts.total.to_string(),
        rollouts.correct.to_string(),
        rollouts.shortcuts.to_string(),
        rollouts.selected.to_string(),
        training.examples.to_string(),
        training.tokens.to_string(),
        training.steps.to_string(),
        figures::loss(training.first_loss),
        figures::loss(training.last_loss),
    ]
}
