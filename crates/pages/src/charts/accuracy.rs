//! Charts of evaluations: accuracy by split and by family, each a share with its interval.

use std::collections::BTreeSet;

use groklab_domain::{
    Split,
    metrics::{MetricsLine, SplitMetrics},
    stats::{self, Interval},
};
use plotly::Plot;

use super::{
    chart::Chart,
    plot::{Point, add_shares, palette, plot_of_shares, split_colour},
};

/// What is drawn of a split: a share and its interval.
type Measure = fn(&SplitMetrics) -> Option<(f64, Option<Interval>)>;

/// Greedy accuracy by split.
pub fn greedy(evaluations: &[MetricsLine]) -> Chart {
    Chart {
        heading: "Greedy accuracy",
        note: "One completion per problem at temperature 0; bars are 95 % intervals over rules.",
        plot: by_split(evaluations, greedy_share),
    }
}

fn greedy_share(score: &SplitMetrics) -> Option<(f64, Option<Interval>)> {
    Some((score.accuracy, score.ci95_clustered))
}

/// pass@1 of the sampled completions by split.
pub fn sampled(evaluations: &[MetricsLine]) -> Chart {
    Chart {
        heading: "pass@1",
        note: concat!(
            "Mean over problems of the sampled completions; ",
            "bars are 95 % intervals over rules."
        ),
        plot: by_split(evaluations, sampled_share),
    }
}

fn sampled_share(score: &SplitMetrics) -> Option<(f64, Option<Interval>)> {
    // An experiment may evaluate greedily alone.
    let sampled = score.sampled.as_ref()?;
    let ci95 = sampled.ci95_clustered.get(&1).copied();
    Some((*sampled.pass_at.get(&1)?, ci95))
}

/// A line per split of what `measure` takes from it.
fn by_split(evaluations: &[MetricsLine], measure: Measure) -> Plot {
    let mut plot = plot_of_shares();
    for &split in Split::ALL {
        let mut points = Vec::new();
        for evaluation in evaluations {
            if let Some((share, ci95)) = evaluation.splits.get(&split).and_then(measure) {
                points.push(Point {
                    iteration: evaluation.iteration,
                    share,
                    ci95,
                });
            }
        }
        add_shares(&mut plot, split.as_str(), split_colour(split), &points);
    }
    plot
}

/// A line per family of one split's greedy accuracy.
pub fn by_family(heading: &'static str, split: Split, evaluations: &[MetricsLine]) -> Chart {
    // A family keeps its colour when it is missing from some evaluation.
    let mut families = BTreeSet::new();
    for evaluation in evaluations {
        families.extend(evaluation.families.keys());
    }
    let mut plot = plot_of_shares();
    for (number, family) in families.into_iter().enumerate() {
        let points = family_points(evaluations, family, split);
        add_shares(&mut plot, family, palette(number), &points);
    }
    Chart {
        heading,
        note: "Greedy; bars are 95 % Wilson intervals for these problems alone.",
        plot,
    }
}

fn family_points(evaluations: &[MetricsLine], family: &str, split: Split) -> Vec<Point> {
    let mut points = Vec::new();
    for evaluation in evaluations {
        let by_split = evaluation.families.get(family);
        let Some(count) = by_split.and_then(|splits| splits.get(&split)) else {
            continue;
        };
        // A share of no problems is no number.
        if count.total == 0 {
            continue;
        }
        let total = f64::from(count.total);
        let share = f64::from(count.correct) / total;
        points.push(Point {
            iteration: evaluation.iteration,
            share,
            ci95: Some(stats::wilson(share, total, stats::Z95)),
        });
    }
    points
}
