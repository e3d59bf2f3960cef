//! Whether an experiment ends after an evaluation, before its configured number of iterations.

use crate::{
    Split,
    experiment::Experiment,
    grokking::{Certainty, Report},
    metrics::{Grokking, MetricsLine},
};

/// What has been decided after an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopDecision {
    GoOn,
    /// Why, as people read it.
    Stop(String),
}

impl StopDecision {
    pub fn stops(&self) -> bool {
        matches!(self, Self::Stop(_))
    }

    fn early(reason: impl std::fmt::Display) -> Self {
        Self::Stop(format!("stopped early: {reason}"))
    }
}

/// Decides after the last of these evaluations, which are all there are so far.
pub fn decide_stop(config: &Experiment, lines: &[MetricsLine]) -> StopDecision {
    let Some(last) = lines.last() else {
        return StopDecision::GoOn;
    };
    if let (Some(target), Some(accuracy)) = (config.stop.target_accuracy, val_accuracy(last))
        && accuracy >= target
    {
        return StopDecision::early(format!("val accuracy {accuracy:.3} has reached {target}"));
    }
    if config.stop.on_grokking && generalised_late(&last.grokking) {
        return StopDecision::early(format!("what it shows is {}", last.grokking.phase));
    }
    let patience = config.stop.patience as usize;
    let accuracies: Vec<f64> = lines.iter().filter_map(val_accuracy).collect();
    let Some(best) = first_best(&accuracies) else {
        return StopDecision::GoOn;
    };
    // Since the first of equals: to reach the best again is no progress.
    let stale = accuracies.len() - 1 - best;
    // Without training every evaluation is the same, so none is ever better.
    if patience > 0 && stale >= patience && config.train.method.method().trains() {
        return StopDecision::early(format!(
            "{stale} evaluations in a row without a better val accuracy"
        ));
    }
    StopDecision::GoOn
}

/// Sharp or gradual, and no longer provisional: a rise that has only begun may come to nothing.
fn generalised_late(grokking: &Grokking) -> bool {
    let confirmed = |report: &Report| report.certainty != Certainty::Provisional;
    grokking.phase.late() && grokking.report.as_ref().is_some_and(confirmed)
}

fn val_accuracy(line: &MetricsLine) -> Option<f64> {
    Some(line.splits.get(&Split::Val)?.accuracy)
}

/// The index of the first of the largest.
fn first_best(values: &[f64]) -> Option<usize> {
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter().position(|&value| value == best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_best_counts() {
        assert_eq!(first_best(&[]), None);
        assert_eq!(first_best(&[0.2, 0.5, 0.4, 0.5]), Some(1));
    }
}
