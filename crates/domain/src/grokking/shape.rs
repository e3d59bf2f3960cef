//! The shape of one pair of curves: when train is memorised, and how val rises after that.
//!
//! After Miller et al. 2024 ("Measuring sharpness in grokking"): delay and width are ratios of
//! times, so that neither depends on how often the model is evaluated. Departures: an isotonic fit
//! in place of a parametric one, and the time of memorising in place of train's half rise.

use super::Parameters;
use super::isotonic::{ascending, crossing};

/// When train was memorised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memorised {
    pub time: f64,
    /// The first evaluation at or after it; never the very first.
    pub evaluation: usize,
    /// Train's mean accuracy from there on.
    pub level: f64,
}

/// A rise of a curve from the level it starts at to the one it ends at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rise {
    pub low: f64,
    pub top: f64,
    /// When a tenth, half and nine tenths of the rise were reached.
    pub t10: f64,
    pub t50: f64,
    pub t90: f64,
}

/// Why no shape can be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unshaped {
    /// Train was that high before any training.
    BeforeTraining(f64),
    /// Train's best.
    NotMemorised(f64),
    /// Evaluations since memorising.
    TooShort(usize),
}

/// The fewest evaluations from memorising on in which a rise can be read.
pub(super) const LEAST_AFTER: usize = 4;

/// When `train` reached its level, which has to be `least` or more.
pub(super) fn memorised(
    times: &[f64],
    train: &[f64],
    least: f64,
    parameters: &Parameters,
) -> Result<Memorised, Unshaped> {
    let best = train.iter().copied().fold(0.0, f64::max);
    // From the end, so that each mean costs one addition.
    let (mut sum, mut start) = (0.0, None);
    for (place, &rate) in train.iter().enumerate().rev() {
        sum += rate;
        let level = sum / (train.len() - place) as f64;
        // A mean of equal rates may lie below them by rounding.
        if rate >= least && level >= least - 1e-9 {
            start = Some((place, level));
        }
    }
    match start {
        None => Err(Unshaped::NotMemorised(best)),
        Some((0, _)) => Err(Unshaped::BeforeTraining(train[0])),
        Some((_, level)) => {
            let reached = running_highest(train);
            let wanted = parameters.memorised_share * level;
            let evaluation = reached.partition_point(|&rate| rate < wanted);
            let time = crossing(times, &reached, wanted).ok_or(Unshaped::NotMemorised(best))?;
            Ok(Memorised {
                time,
                evaluation,
                level,
            })
        }
    }
}

/// How `curve` rises from its lowest level, if it does at all by more than `least`.
pub(super) fn rise(times: &[f64], curve: &[f64], least: f64) -> Option<Rise> {
    let fitted = ascending(curve);
    let low = *fitted.first()?;
    rise_from(low, times, &fitted, least)
}

fn rise_from(low: f64, times: &[f64], fitted: &[f64], least: f64) -> Option<Rise> {
    let top = mean(&fitted[ending(fitted.len())..]);
    let height = top - low;
    if height <= least {
        return None;
    }
    Some(Rise {
        low,
        top,
        t10: crossing(times, fitted, low + 0.1 * height)?,
        t50: crossing(times, fitted, low + 0.5 * height)?,
        t90: crossing(times, fitted, low + 0.9 * height)?,
    })
}

/// Val's level at memorising is its mean from then until so many times as late: a stretch of time,
/// so that it does not depend on how often one looks, and short of the least delay.
const LEVEL_UNTIL: f64 = 1.25;

impl Memorised {
    /// How `curve` rises from its level at memorising, if it does at all by more than `least`.
    pub fn rise(&self, times: &[f64], curve: &[f64], least: f64) -> Option<Rise> {
        let low = mean_between(times, curve, self.time, LEVEL_UNTIL * self.time);
        let (times, curve) = (&times[self.evaluation..], &curve[self.evaluation..]);
        rise_from(low, times, &ascending(curve), least)
    }
}

/// The mean of a curve over a stretch of time, on straight lines between its points.
fn mean_between(times: &[f64], curve: &[f64], from: f64, to: f64) -> f64 {
    let to = to.min(times[times.len() - 1]);
    if to <= from {
        return curve[curve.len() - 1];
    }
    let mut area = 0.0;
    for (t, y) in times.windows(2).zip(curve.windows(2)) {
        let (start, end) = (from.max(t[0]), to.min(t[1]));
        if start < end {
            let at = |time: f64| y[0] + (y[1] - y[0]) * (time - t[0]) / (t[1] - t[0]);
            area += (end - start) * 0.5 * (at(start) + at(end));
        }
    }
    area / (to - from)
}

impl Rise {
    pub fn height(&self) -> f64 {
        self.top - self.low
    }

    /// How long the rise took, as a multiple of the wait since `from`.
    pub fn width(&self, from: f64) -> f64 {
        (self.t90 - self.t10) / (self.t50 - from).max(1e-9)
    }
}

/// Where the end of so many evaluations begins: their last tenth, and no fewer than three.
pub(super) fn ending(evaluations: usize) -> usize {
    evaluations.saturating_sub((evaluations / 10).max(3))
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn running_highest(values: &[f64]) -> Vec<f64> {
    let mut highest = f64::NEG_INFINITY;
    let mut running = Vec::with_capacity(values.len());
    for &value in values {
        highest = highest.max(value);
        running.push(highest);
    }
    running
}
