//! Which charts there are: those for which there is something to draw, in the order of the report.

use groklab_domain::{
    Split,
    metrics::{IterationLine, MetricsLine},
};

use super::{accuracy, chart::Chart, plot::iteration_axis, training};

/// The charts of an experiment's evaluated and trained iterations.
pub fn charts(evaluations: &[MetricsLine], iterations: &[IterationLine]) -> Vec<Chart> {
    let mut charts = vec![
        accuracy::greedy(evaluations),
        accuracy::sampled(evaluations),
        // Test first, for it is what the experiment is judged by.
        accuracy::by_family("Test accuracy by family", Split::Test, evaluations),
        accuracy::by_family("Train accuracy by family", Split::Train, evaluations),
        accuracy::by_family("Val accuracy by family", Split::Val, evaluations),
        accuracy::by_family(
            "Accuracy on held-out rules and families",
            Split::Ood,
            evaluations,
        ),
        training::verdicts(iterations),
        training::shortcuts(evaluations, iterations),
        training::training_data(iterations),
        training::loss(iterations),
    ];
    charts.retain(Chart::has_data);
    // All charts share their ticks, so that a reader can compare them iteration by iteration.
    let last = last_iteration(evaluations, iterations);
    for chart in &mut charts {
        let layout = chart.plot.layout().clone().x_axis(iteration_axis(last));
        chart.plot.set_layout(layout);
    }
    charts
}

fn last_iteration(evaluations: &[MetricsLine], iterations: &[IterationLine]) -> u32 {
    let mut last = 0;
    for evaluation in evaluations {
        last = last.max(evaluation.iteration);
    }
    for line in iterations {
        last = last.max(line.iteration);
    }
    last
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn evaluations() -> Vec<MetricsLine> {
        let lines = include_str!("../../fixtures/quick/metrics.jsonl").lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_chart_holds_its_figures() {
        let drawn = charts(&evaluations(), &[]);
        let json: Value = serde_json::from_str(&drawn[0].plot.to_json()).unwrap();
        let traces = json["data"].as_array().unwrap();
        let test = traces.iter().find(|trace| trace["name"] == "test").unwrap();
        assert_eq!(test["x"], serde_json::json!([0, 3]));
        assert!((test["y"][1].as_f64().unwrap() - 41.0 / 64.0).abs() < 1e-9);
        let above = test["error_y"]["array"][1].as_f64().unwrap();
        assert!((above - (0.919 - 41.0 / 64.0)).abs() < 1e-9);
        assert_eq!(json["layout"]["xaxis"]["dtick"], 1.0);
    }
}
