//! Accuracy by iteration and split as a table and as lines, training iterations as a table, and first against last as sentences.

use comfy_table::Table;
use groklab_domain::{
    Split,
    metrics::{Comparison, IterationLine, MetricsLine, SplitMetrics},
};

use super::{
    tables::table,
    words::{greedy, interval, percent},
};

/// One row per evaluated iteration and split.
pub fn accuracy_table(evaluations: &[MetricsLine]) -> Table {
    let ks = ks(evaluations);
    let mut header: Vec<String> = ["iteration", "split", "correct", "greedy", "95 % interval"]
        .map(String::from)
        .to_vec();
    header.extend(ks.iter().map(|k| format!("pass@{k}")));
    header.extend(["shortcuts", "phase"].map(String::from));
    let figures: Vec<usize> = [0, 2, 3, 4].into_iter().chain(5..6 + ks.len()).collect();
    let mut table = table(
        &header.iter().map(String::as_str).collect::<Vec<_>>(),
        &figures,
    );
    for evaluation in evaluations {
        for (i, (split, score)) in evaluation.splits.iter().enumerate() {
            let first = |text: String| if i == 0 { text } else { String::new() };
            let mut row = vec![
                first(evaluation.iteration.to_string()),
                split.to_string(),
                format!("{}/{}", score.correct, score.total),
            ];
            row.extend([percent(score.accuracy), interval(score.ci95)]);
            row.extend(
                ks.iter()
                    .map(|&k| pass_at(score, k).map_or("–".into(), percent)),
            );
            row.extend([score.shortcuts.to_string(), first(phase(evaluation))]);
            table.add_row(row);
        }
    }
    table
}

/// "iteration 1 · test greedy 41/64 64.1 % [51.8, 74.7] · pass@1 58.2 % · train greedy …".
pub fn evaluation_line(evaluation: &MetricsLine) -> String {
    format!(
        "iteration {} · {}",
        evaluation.iteration,
        by_split(evaluation).join(" · ")
    )
}

/// The same with a line per split, short enough for a terminal.
pub fn evaluation_lines(evaluation: &MetricsLine) -> Vec<String> {
    by_split(evaluation)
        .iter()
        .map(|part| format!("iteration {} · {part}", evaluation.iteration))
        .collect()
}

fn by_split(evaluation: &MetricsLine) -> Vec<String> {
    let mut splits: Vec<_> = evaluation.splits.iter().collect();
    splits.sort_by_key(|(split, _)| **split != Split::Test);
    let split = |(split, score): (&Split, &SplitMetrics)| {
        let pass = pass_at(score, 1)
            .map(|p| format!(" · pass@1 {}", percent(p)))
            .unwrap_or_default();
        format!("{split} greedy {}{pass}", greedy(score))
    };
    splits.into_iter().map(split).collect()
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
    let mut table = table(&header, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let loss = |loss: Option<f64>| loss.map_or("–".to_owned(), |loss| format!("{loss:.4}"));
    for line in iterations {
        let (r, t) = (&line.rollouts, &line.training);
        let correct = if r.total > 0 {
            format!(
                "{} ({})",
                r.correct,
                percent(f64::from(r.correct) / f64::from(r.total))
            )
        } else {
            "0".to_owned()
        };
        let mut row = vec![line.iteration.to_string(), r.total.to_string(), correct];
        row.extend(
            [r.shortcuts.into(), r.selected.into(), t.examples, t.steps]
                .map(|n: u64| n.to_string()),
        );
        row.extend([loss(t.first_loss), loss(t.last_loss)]);
        table.add_row(row);
    }
    table
}

/// A sentence per measure: the first against the last evaluated iteration on the same problems.
pub fn comparison_lines(
    comparison: &Comparison,
    split: Split,
    first: u32,
    last: u32,
) -> Vec<String> {
    comparison_sentences(comparison, &format!("{split}, iteration {first} → {last}"))
}

/// The same for anything that was compared.
pub fn comparison_sentences(comparison: &Comparison, what: &str) -> Vec<String> {
    let paired = format!("{what}, paired over {} problems", comparison.problems);
    let (greedy, mcnemar) = (&comparison.greedy, &comparison.greedy.mcnemar);
    let mut lines = vec![format!(
        "{paired}: greedy {greedy} (McNemar: {} gained, {} lost)",
        mcnemar.gained, mcnemar.lost
    )];
    lines.extend(
        comparison
            .pass_at
            .iter()
            .map(|(k, sampled)| format!("{paired}: pass@{k} {sampled} (paired bootstrap)")),
    );
    lines
}

/// Every k of any pass@k, ascending.
pub fn ks(evaluations: &[MetricsLine]) -> Vec<u32> {
    let sampled = evaluations
        .iter()
        .flat_map(|e| e.splits.values())
        .filter_map(|score| score.sampled.as_ref());
    let mut ks: Vec<u32> = sampled
        .flat_map(|sampled| sampled.pass_at.keys().copied())
        .collect();
    ks.sort_unstable();
    ks.dedup();
    ks
}

pub fn pass_at(score: &SplitMetrics, k: u32) -> Option<f64> {
    score.sampled.as_ref()?.pass_at.get(&k).copied()
}

/// "grokked (onset 40)".
pub fn phase(evaluation: &MetricsLine) -> String {
    let grokking = &evaluation.grokking;
    match grokking.onset {
        Some(onset) => format!("{} (onset {onset})", grokking.phase),
        None => grokking.phase.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Outcomes, sample};

    fn rows(table: &Table) -> Vec<String> {
        table
            .trim_fmt()
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn a_line_begins_with_test() {
        let expected = "iteration 1 · test greedy 41/64 64.1 % [51.8, 74.7] · pass@1 58.2 % · train greedy 48/48 100.0 % [92.6, 100.0]";
        assert_eq!(evaluation_line(&sample::metrics(1, 41)), expected);
    }

    #[test]
    fn the_table_has_a_row_per_split() {
        let rows = rows(&accuracy_table(&[sample::metrics(1, 41)]));
        assert_eq!(
            rows[1],
            "│ iteration split correct greedy 95 % interval pass@1 pass@4 shortcuts phase │"
        );
        assert_eq!(
            rows[3],
            "│ 1 train 48/48 100.0 % [92.6, 100.0] – – 0 memorised │"
        );
        assert_eq!(
            rows[4],
            "│ test 41/64 64.1 % [51.8, 74.7] 58.2 % 75.0 % 3 │"
        );
    }

    #[test]
    fn a_training_iteration_is_a_row() {
        let nothing = IterationLine {
            rollouts: Default::default(),
            training: Default::default(),
            ..sample::iteration(3)
        };
        let rows = rows(&iterations_table(&[sample::iteration(2), nothing]));
        assert_eq!(rows[3], "│ 2 120 41 (34.2 %) 6 28 28 8 0.9000 0.2000 │");
        assert_eq!(rows[4], "│ 3 0 0 0 0 0 0 – – │");
    }

    #[test]
    fn a_comparison_is_a_sentence_each() {
        let outcomes = |correct: fn(u32) -> bool| {
            let mut outcomes = Outcomes::default();
            (0..40).for_each(|p| {
                [0, 1].into_iter().for_each(|sample| {
                    outcomes.count(&sample::rollout(0, p, sample, Some(correct(p))))
                })
            });
            outcomes
        };
        let comparison = outcomes(|p| p < 10)
            .against(&outcomes(|p| (5..30).contains(&p)))
            .unwrap();
        let lines = comparison_lines(&comparison, Split::Test, 0, 3);
        assert!(
            lines[0].starts_with(
                "test, iteration 0 → 3, paired over 40 problems: greedy +37.5 points ["
            ),
            "{}",
            lines[0]
        );
        assert!(
            lines[0].ends_with("p = 0.0041 (McNemar: 20 gained, 5 lost)"),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].starts_with(
                "test, iteration 0 → 3, paired over 40 problems: pass@1 +37.5 points ["
            ),
            "{}",
            lines[1]
        );
    }
}
