//! States, evaluations, iterations and events as one line each.

use groklab_domain::{
    Split,
    metrics::{IterationLine, MetricsLine, SplitMetrics},
    records::{EventLine, ExperimentRecord, Level},
};
use groklab_pages::figures::{interval, pass_at, percent, units};

use super::{code::printable, words::clock};

/// "quickstart is paused: no worker could …".
pub fn state_line(experiment: &ExperimentRecord) -> String {
    let (name, state) = (&experiment.name, experiment.state);
    // It may quote what a worker or a model wrote.
    let reason = printable(&experiment.reason);
    if reason.is_empty() {
        format!("{name} is {state}")
    } else {
        format!("{name} is {state}: {reason}")
    }
}

/// "iteration 1 · test greedy 41/64 64.1 % [21.9, 91.9] over 4 rules · pass@1 58.2 % · train …".
pub fn evaluation_line(evaluation: &MetricsLine) -> String {
    let parts = split_parts(evaluation);
    format!("iteration {} · {}", evaluation.iteration, parts.join(" · "))
}

/// The same with a line per split, short enough for a terminal.
pub fn evaluation_lines(evaluation: &MetricsLine) -> Vec<String> {
    let mut lines = Vec::new();
    for part in split_parts(evaluation) {
        lines.push(format!("iteration {} · {part}", evaluation.iteration));
    }
    lines
}

/// What each split came to; test first, for it is what people look for.
fn split_parts(evaluation: &MetricsLine) -> Vec<String> {
    let mut parts = Vec::new();
    for (&split, score) in &evaluation.splits {
        let part = split_part(split, score);
        if split == Split::Test {
            parts.insert(0, part);
        } else {
            parts.push(part);
        }
    }
    parts
}

fn split_part(split: Split, score: &SplitMetrics) -> String {
    let (correct, total) = (score.correct, score.total);
    let mut part = format!(
        "{split} greedy {correct}/{total} {}",
        percent(score.accuracy)
    );
    if let Some(ci95) = score.ci95_clustered {
        part.push_str(&format!(" {} over {}", interval(ci95), units(score.units)));
    }
    if let Some(share) = pass_at(score, 1) {
        part.push_str(&format!(" · pass@1 {}", percent(share)));
    }
    part
}

/// "iteration 1 · 43 of 192 rollouts correct, 4 shortcuts, 28 selected, trained on 28 examples,
/// loss 0.9100 → 0.2000".
pub fn iteration_line(line: &IterationLine) -> String {
    let (rollouts, training) = (&line.rollouts, &line.training);
    // Without anything correct there is nothing to train on.
    let trained = match (training.first_loss, training.last_loss) {
        (Some(first), Some(last)) => format!(
            "trained on {} examples, loss {first:.4} → {last:.4}",
            training.examples
        ),
        _ => "nothing trained".to_owned(),
    };
    format!(
        "iteration {} · {} of {} rollouts correct, {} shortcuts, {} selected, {trained}",
        line.iteration, rollouts.correct, rollouts.total, rollouts.shortcuts, rollouts.selected
    )
}

/// An event with its time and, unless it is mere information, its level.
pub fn event_line(event: &EventLine) -> String {
    let time = clock(event.unix_ms);
    // It may quote what a worker or a model wrote.
    let message = printable(&event.message);
    match event.level {
        Level::Info => format!("{time} {message}"),
        level => format!("{time} {level}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_line_begins_with_test() {
        assert_eq!(
            evaluation_line(&sample::metrics()[1]),
            concat!(
                "iteration 3 · test greedy 41/64 64.1 % [21.9, 91.9] over 4 rules · ",
                "pass@1 58.2 % · ",
                "train greedy 48/48 100.0 % [51.0, 100.0] over 4 rules"
            )
        );
    }

    #[test]
    fn a_reason_cannot_write_to_the_terminal() {
        let mut event = sample::event(1);
        event.message = "\u{1b}[2Jgone".to_owned();
        assert_eq!(event_line(&event), "00:00:00Z warn: \\u{1b}[2Jgone");
        let mut experiment = sample::experiment("quick");
        experiment.reason = "\u{1b}[2Jgone".to_owned();
        assert_eq!(state_line(&experiment), "quick is running: \\u{1b}[2Jgone");
    }

    #[test]
    fn a_training_iteration_is_a_sentence() {
        let mut line = sample::iterations()[0].clone();
        assert_eq!(
            iteration_line(&line),
            concat!(
                "iteration 0 · 41 of 120 rollouts correct, 6 shortcuts, 28 selected, ",
                "trained on 28 examples, loss 0.9000 → 0.2000"
            )
        );
        line.training = Default::default();
        assert!(iteration_line(&line).ends_with("28 selected, nothing trained"));
    }
}
