//! The report's charts, each a plot with a heading. Colours stand for the same split in every chart and read on light and dark.

use std::collections::{BTreeMap, BTreeSet};

use groklab_domain::{
    Split, Verdict,
    metrics::{IterationLine, MetricsLine, SplitMetrics},
    stats::{self, Interval},
};
use plotly::{
    Bar, Configuration, Layout, Plot, Scatter,
    common::{Anchor, ErrorData, ErrorType, Font, Line, Marker, Mode, Orientation},
    configuration::DisplayModeBar,
    layout::{Axis, AxisType, BarMode, HoverMode, Legend, Margin, RangeMode},
};

use super::data::Data;

/// One chart with what it says.
pub struct Chart {
    pub heading: &'static str,
    pub note: &'static str,
    pub plot: Plot,
}

/// One figure of a training iteration.
type Figure<T> = fn(&IterationLine) -> T;

/// The charts for which there is something to draw.
pub fn charts(data: &Data) -> Vec<Chart> {
    let (evaluations, iterations) = (&data.evaluations, &data.iterations);
    let all = [
        Chart {
            heading: "Greedy accuracy",
            note: "One completion per problem at temperature 0; bars are 95 % Wilson intervals.",
            plot: greedy(evaluations),
        },
        Chart {
            heading: "pass@1",
            note: "Mean over problems of the sampled completions; bars are 95 % intervals by the bootstrap over rules.",
            plot: sampled(evaluations),
        },
        by_family("Test accuracy by family", Split::Test, evaluations),
        by_family("Train accuracy by family", Split::Train, evaluations),
        by_family("Val accuracy by family", Split::Val, evaluations),
        by_family(
            "Accuracy on held-out rules and families",
            Split::Ood,
            evaluations,
        ),
        Chart {
            heading: "Verdicts of training rollouts",
            note: "Share of each verdict per iteration.",
            plot: verdicts(iterations),
        },
        Chart {
            heading: "Shortcuts",
            note: "Completions that pass every visible case and fail a hidden one.",
            plot: shortcuts(evaluations, iterations),
        },
        Chart {
            heading: "Training data",
            note: "Training rollouts of each iteration that were correct, and those selected to train on.",
            plot: training_data(iterations),
        },
        Chart {
            heading: "Loss",
            note: "Mean loss per completion token at the first and the last optimiser step of each iteration.",
            plot: loss(iterations),
        },
    ];
    let last = evaluations
        .iter()
        .map(|e| e.iteration)
        .chain(iterations.iter().map(|i| i.iteration))
        .max()
        .unwrap_or(0);
    let mut drawn: Vec<Chart> = all
        .into_iter()
        .filter(|chart| !chart.plot.data().is_empty())
        .collect();
    for chart in &mut drawn {
        let layout = chart.plot.layout().clone().x_axis(iteration_axis(last));
        chart.plot.set_layout(layout);
    }
    drawn
}

/// Whole iterations only, at most about ten of them.
fn iteration_axis(last: u32) -> Axis {
    style(Axis::new())
        .title("iteration")
        .type_(AxisType::Linear)
        .dtick(f64::from(last.div_ceil(10).max(1)))
        .show_grid(false)
}

fn style(axis: Axis) -> Axis {
    const GRID: &str = "rgba(128,128,128,0.22)";
    axis.grid_color(GRID).line_color(GRID).zero_line_color(GRID)
}

fn greedy(evaluations: &[MetricsLine]) -> Plot {
    by_split(evaluations, |score| {
        Some((score.accuracy, Some(score.ci95)))
    })
}

fn sampled(evaluations: &[MetricsLine]) -> Plot {
    by_split(evaluations, |score| {
        let sampled = score.sampled.as_ref()?;
        Some((
            *sampled.pass_at.get(&1)?,
            sampled.ci95_clustered.get(&1).copied(),
        ))
    })
}

/// A line per split of what `value` says.
fn by_split(
    evaluations: &[MetricsLine],
    value: impl Fn(&SplitMetrics) -> Option<(f64, Option<Interval>)>,
) -> Plot {
    let mut plot = plot(share_axis());
    for &split in Split::ALL {
        let points = evaluations.iter().filter_map(|e| {
            e.splits
                .get(&split)
                .and_then(&value)
                .map(|(share, ci)| Point {
                    x: e.iteration,
                    y: share,
                    ci,
                })
        });
        add_line(
            &mut plot,
            split.as_str(),
            split_colour(split),
            points.collect(),
        );
    }
    plot
}

/// A line per family of a split.
fn by_family(heading: &'static str, split: Split, evaluations: &[MetricsLine]) -> Chart {
    let mut plot = plot(share_axis());
    let names: BTreeSet<&String> = evaluations.iter().flat_map(|e| e.families.keys()).collect();
    for (i, name) in names.into_iter().enumerate() {
        let point = |e: &MetricsLine| {
            let share = e
                .families
                .get(name)?
                .get(&split)
                .filter(|share| share.total > 0)?;
            let (correct, total) = (f64::from(share.correct), f64::from(share.total));
            Some(Point {
                x: e.iteration,
                y: correct / total,
                ci: Some(stats::wilson(correct / total, total, stats::Z95)),
            })
        };
        add_line(
            &mut plot,
            name,
            PALETTE[i % PALETTE.len()],
            evaluations.iter().filter_map(point).collect(),
        );
    }
    Chart {
        heading,
        note: "Greedy; bars are 95 % Wilson intervals.",
        plot,
    }
}

/// A share at an iteration.
struct Point {
    x: u32,
    y: f64,
    ci: Option<Interval>,
}

/// Adds a line with its intervals, unless there is no point.
fn add_line(plot: &mut Plot, name: &str, colour: &'static str, points: Vec<Point>) {
    if points.is_empty() {
        return;
    }
    let bound = |distance: fn(f64, Interval) -> f64| {
        points
            .iter()
            .map(|p| p.ci.map_or(0.0, |ci| distance(p.y, ci).max(0.0)))
            .collect()
    };
    let error = ErrorData::new(ErrorType::Data)
        .symmetric(false)
        .array(bound(|y, ci| ci.upper - y))
        .array_minus(bound(|y, ci| y - ci.lower))
        .thickness(1.0);
    let (x, y) = points.iter().map(|p| (p.x, p.y)).unzip();
    plot.add_trace(line(name, x, y, colour).error_y(error));
}

fn verdicts(iterations: &[IterationLine]) -> Plot {
    let mut plot = plot(share_axis());
    let mut counted: BTreeMap<Verdict, Vec<f64>> = BTreeMap::new();
    for &verdict in Verdict::ALL {
        let share = |line: &IterationLine| {
            f64::from(line.rollouts.verdicts.get(&verdict).copied().unwrap_or(0))
                / f64::from(line.rollouts.total.max(1))
        };
        let shares: Vec<f64> = iterations.iter().map(share).collect();
        if shares.iter().any(|&share| share > 0.0) {
            counted.insert(verdict, shares);
        }
    }
    let x: Vec<u32> = iterations.iter().map(|line| line.iteration).collect();
    for (i, (verdict, shares)) in counted.into_iter().enumerate() {
        plot.add_trace(
            Bar::new(x.clone(), shares)
                .name(verdict.as_str())
                .marker(Marker::new().color(PALETTE[i % PALETTE.len()])),
        );
    }
    plot
}

fn shortcuts(evaluations: &[MetricsLine], iterations: &[IterationLine]) -> Plot {
    let mut plot = plot(share_axis().range_mode(RangeMode::ToZero));
    let rate = |count: u32, total: u32| f64::from(count) / f64::from(total.max(1));
    if !iterations.is_empty() {
        let (x, y) = iterations
            .iter()
            .map(|line| {
                (
                    line.iteration,
                    rate(line.rollouts.shortcuts, line.rollouts.total),
                )
            })
            .unzip();
        plot.add_trace(line("training rollouts", x, y, split_colour(Split::Train)));
    }
    let test = |e: &MetricsLine| {
        e.splits
            .get(&Split::Test)
            .map(|score| (e.iteration, rate(score.shortcuts, score.total)))
    };
    let points: Vec<(u32, f64)> = evaluations.iter().filter_map(test).collect();
    if !points.is_empty() {
        let (x, y) = points.into_iter().unzip();
        plot.add_trace(line("test, greedy", x, y, split_colour(Split::Test)));
    }
    plot
}

fn training_data(iterations: &[IterationLine]) -> Plot {
    let mut plot = plot(Axis::new().range_mode(RangeMode::ToZero));
    let counts: [(&str, Figure<u32>); 3] = [
        ("rollouts", |line| line.rollouts.total),
        ("correct", |line| line.rollouts.correct),
        ("selected", |line| line.rollouts.selected),
    ];
    for (i, (name, count)) in counts
        .into_iter()
        .enumerate()
        .filter(|_| !iterations.is_empty())
    {
        let (x, y) = iterations
            .iter()
            .map(|line| (line.iteration, f64::from(count(line))))
            .unzip();
        plot.add_trace(line(name, x, y, PALETTE[i]));
    }
    plot
}

fn loss(iterations: &[IterationLine]) -> Plot {
    let mut plot = plot(Axis::new().range_mode(RangeMode::ToZero));
    let losses: [(&str, Figure<Option<f64>>); 2] = [
        ("first step", |line| line.training.first_loss),
        ("last step", |line| line.training.last_loss),
    ];
    for (i, (name, loss)) in losses.into_iter().enumerate() {
        let points: Vec<(u32, f64)> = iterations
            .iter()
            .filter_map(|line| Some((line.iteration, loss(line)?)))
            .collect();
        if !points.is_empty() {
            let (x, y) = points.into_iter().unzip();
            plot.add_trace(line(name, x, y, PALETTE[i]));
        }
    }
    plot
}

const PALETTE: [&str; 10] = [
    "#2f9e63", "#d9822b", "#4c7bd9", "#b556c4", "#c94f4f", "#2a9d9d", "#8a8f2c", "#8b6f5c",
    "#7a7f8a", "#d46a9f",
];

fn split_colour(split: Split) -> &'static str {
    match split {
        Split::Train => "#d9822b",
        Split::Val => "#b556c4",
        Split::Test => "#4c7bd9",
        Split::Ood => "#2f9e63",
    }
}

fn line(name: &str, x: Vec<u32>, y: Vec<f64>, colour: &'static str) -> Box<Scatter<u32, f64>> {
    Scatter::new(x, y)
        .name(name)
        .mode(Mode::LinesMarkers)
        .line(Line::new().color(colour).width(2.0))
        .marker(Marker::new().color(colour).size(6))
}

fn share_axis() -> Axis {
    Axis::new()
        .tick_format(".1~%")
        .range_mode(RangeMode::ToZero)
}

fn plot(y_axis: Axis) -> Plot {
    let layout = Layout::new()
        .paper_background_color("rgba(0,0,0,0)")
        .plot_background_color("rgba(0,0,0,0)")
        .font(
            Font::new()
                .family("system-ui, sans-serif")
                .size(13)
                .color("#80868f"),
        )
        .margin(Margin::new().left(56).right(16).top(8).bottom(48))
        .legend(
            Legend::new()
                .orientation(Orientation::Horizontal)
                .y_anchor(Anchor::Bottom)
                .y(1.02)
                .x(0.0),
        )
        .hover_mode(HoverMode::X)
        .bar_mode(BarMode::Stack)
        .height(340)
        .y_axis(style(y_axis));
    let mut plot = Plot::new();
    plot.set_layout(layout);
    plot.set_configuration(
        Configuration::new()
            .responsive(true)
            .display_mode_bar(DisplayModeBar::False),
    );
    plot
}
