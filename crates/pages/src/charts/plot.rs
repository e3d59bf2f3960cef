//! How every chart looks: colours, axes, legend, and lines with their intervals.

use groklab_domain::{Split, stats::Interval};
use plotly::{
    Configuration, Layout, Plot, Scatter,
    common::{Anchor, ErrorData, ErrorType, Font, Line, Marker, Mode, Orientation},
    configuration::DisplayModeBar,
    layout::{Axis, AxisType, BarMode, HoverMode, Legend, Margin, RangeMode},
};

/// Colours of families, verdicts and figures, in the order in which they are drawn.
const PALETTE: [&str; 10] = [
    "#2f9e63", "#d9822b", "#4c7bd9", "#b556c4", "#c94f4f", "#2a9d9d", "#8a8f2c", "#8b6f5c",
    "#7a7f8a", "#d46a9f",
];
/// Translucent greys, which read on a light and on a dark page.
const GRID_COLOUR: &str = "rgba(128,128,128,0.22)";
const TEXT_COLOUR: &str = "#80868f";
const TRANSPARENT: &str = "rgba(0,0,0,0)";
const PLOT_HEIGHT_PIXELS: usize = 340;
/// The most ticks on the axis of iterations, roughly.
const ITERATION_TICKS: u32 = 10;

/// A share at an iteration, with its interval where it has one.
pub struct Point {
    pub iteration: u32,
    pub share: f64,
    pub ci95: Option<Interval>,
}

/// The colour of the line with this number; there are ten.
pub fn palette(number: usize) -> &'static str {
    PALETTE[number % PALETTE.len()]
}

/// The same split has the same colour in every chart.
pub fn split_colour(split: Split) -> &'static str {
    match split {
        Split::Train => "#d9822b",
        Split::Val => "#b556c4",
        Split::Test => "#4c7bd9",
        Split::Ood => "#2f9e63",
    }
}

/// A plot of shares, in percent from 0 on.
pub fn plot_of_shares() -> Plot {
    plot(
        Axis::new()
            .tick_format(".1~%")
            .range_mode(RangeMode::ToZero),
    )
}

/// A plot of counts or losses, from 0 on.
pub fn plot_of_amounts() -> Plot {
    plot(Axis::new().range_mode(RangeMode::ToZero))
}

fn plot(y_axis: Axis) -> Plot {
    let legend = Legend::new()
        // Above the plot it leaves all of the width to the curves.
        .orientation(Orientation::Horizontal)
        .y_anchor(Anchor::Bottom)
        .y(1.02)
        .x(0.0);
    let font = Font::new()
        .family("system-ui, sans-serif")
        .size(13)
        .color(TEXT_COLOUR);
    let layout = Layout::new()
        // The page has a light and a dark background of its own.
        .paper_background_color(TRANSPARENT)
        .plot_background_color(TRANSPARENT)
        .font(font)
        .margin(Margin::new().left(56).right(16).top(8).bottom(48))
        .legend(legend)
        .hover_mode(HoverMode::X)
        .bar_mode(BarMode::Stack)
        .height(PLOT_HEIGHT_PIXELS)
        .y_axis(in_grid_colour(y_axis));
    let configuration = Configuration::new()
        .responsive(true)
        // Its buttons would cover the legend.
        .display_mode_bar(DisplayModeBar::False);
    let mut plot = Plot::new();
    plot.set_layout(layout);
    plot.set_configuration(configuration);
    plot
}

/// The axis of iterations up to `last`: whole ones only, at most about ten of them.
pub fn iteration_axis(last: u32) -> Axis {
    // A step of a fraction would put a tick between two iterations, where nothing is.
    let step = last.div_ceil(ITERATION_TICKS).max(1);
    in_grid_colour(Axis::new())
        .title("iteration")
        .type_(AxisType::Linear)
        .dtick(f64::from(step))
        .show_grid(false)
}

fn in_grid_colour(axis: Axis) -> Axis {
    axis.grid_color(GRID_COLOUR)
        .line_color(GRID_COLOUR)
        .zero_line_color(GRID_COLOUR)
}

/// Adds a line with its intervals, unless there is no point.
pub fn add_shares(plot: &mut Plot, name: &str, colour: &'static str, points: &[Point]) {
    if points.is_empty() {
        return;
    }
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for point in points {
        x.push(point.iteration);
        y.push(point.share);
        // Without an interval the bar has no length.
        let ci95 = point.ci95.unwrap_or(Interval {
            lower: point.share,
            upper: point.share,
        });
        // An interval by the bootstrap may lie beside its share, and a bar has no negative length.
        above.push((ci95.upper - point.share).max(0.0));
        below.push((point.share - ci95.lower).max(0.0));
    }
    let bars = ErrorData::new(ErrorType::Data)
        .symmetric(false)
        .array(above)
        .array_minus(below)
        .thickness(1.0);
    plot.add_trace(line(name, x, y, colour).error_y(bars));
}

/// Adds a line of plain figures, unless there is none.
pub fn add_figures(plot: &mut Plot, name: &str, colour: &'static str, figures: &[(u32, f64)]) {
    if !figures.is_empty() {
        let (x, y) = figures.iter().copied().unzip();
        plot.add_trace(line(name, x, y, colour));
    }
}

fn line(name: &str, x: Vec<u32>, y: Vec<f64>, colour: &'static str) -> Box<Scatter<u32, f64>> {
    Scatter::new(x, y)
        .name(name)
        .mode(Mode::LinesMarkers)
        .line(Line::new().color(colour).width(2.0))
        .marker(Marker::new().color(colour).size(6))
}
