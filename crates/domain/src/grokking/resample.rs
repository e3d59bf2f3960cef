//! The bootstrap over units: how much the shape would vary with other units like these.

use super::parameters::Parameters;
use super::series::{Series, Unit, weighted};
use super::shape::{self, mean};
use crate::seed;
use crate::stats::{Draws, Interval};

/// What the resamples came to, each list sorted.
#[derive(Debug, Default)]
pub(super) struct Resamples {
    rises: Vec<f64>,
    delays: Vec<f64>,
    widths: Vec<f64>,
}

/// Draws the units of train and val again. `from_start` reads the rise from the first evaluation on
/// rather than from memorising.
pub(super) fn resample(series: &Series, from_start: bool, parameters: &Parameters) -> Resamples {
    let mut draws = Draws::new(stream("shape"));
    let mut found = Resamples::default();
    for _ in 0..parameters.resamples {
        let val = redrawn(&series.val, series.times.len(), &mut draws);
        let train = redrawn(&series.train, series.times.len(), &mut draws);
        if from_start {
            let rise = shape::rise(&series.times, &val, 0.0);
            found.rises.push(rise.map_or(0.0, |rise| rise.height()));
            continue;
        }
        // That train was memorised is settled; this asks when it would have been with other units.
        let least = parameters.memorised - parameters.gap;
        let Ok(memorised) = shape::memorised(&series.times, &train, least, parameters) else {
            found.rises.push(0.0);
            continue;
        };
        let rise = memorised.rise(&series.times, &val, 0.0);
        found.rises.push(rise.map_or(0.0, |rise| rise.height()));
        if let Some(rise) = rise {
            found.delays.push(rise.t50 / memorised.time.max(1e-9));
            found.widths.push(rise.width(memorised.time));
        }
    }
    for list in [&mut found.rises, &mut found.delays, &mut found.widths] {
        list.sort_by(f64::total_cmp);
    }
    found
}

impl Resamples {
    pub fn rise(&self, error: f64) -> Option<Interval> {
        middle(&self.rises, error)
    }

    /// `None` where fewer than half of the resamples have one.
    pub fn delay(&self, error: f64) -> Option<Interval> {
        self.of_most(&self.delays, error)
    }

    pub fn width(&self, error: f64) -> Option<Interval> {
        self.of_most(&self.widths, error)
    }

    fn of_most(&self, list: &[f64], error: f64) -> Option<Interval> {
        (2 * list.len() >= self.rises.len())
            .then(|| middle(list, error))
            .flatten()
    }
}

/// The interval of how much higher a split is at the `end` than at the `start` (evaluations).
pub(super) fn change(
    units: &[Unit],
    start: std::ops::Range<usize>,
    end: std::ops::Range<usize>,
    parameters: &Parameters,
) -> Option<Interval> {
    let mut draws = Draws::new(stream("change"));
    let evaluations = end.end;
    let mut changes = Vec::with_capacity(parameters.resamples);
    for _ in 0..parameters.resamples {
        let curve = redrawn(units, evaluations, &mut draws);
        changes.push(mean(&curve[end.clone()]) - mean(&curve[start.clone()]));
    }
    changes.sort_by(f64::total_cmp);
    middle(&changes, parameters.error)
}

/// The same in every series, so that equal results have equal intervals.
fn stream(purpose: &str) -> u64 {
    seed::derive(0, &[b"grokking", purpose.as_bytes()])
}

/// The accuracy when as many units are drawn again, with replacement.
fn redrawn(units: &[Unit], evaluations: usize, draws: &mut Draws) -> Vec<f64> {
    let mut counts = vec![0.0; units.len()];
    for _ in 0..units.len() {
        counts[draws.below(units.len())] += 1.0;
    }
    weighted(units, evaluations, |place| counts[place])
}

/// The middle 1 - `error` of sorted values.
fn middle(sorted: &[f64], error: f64) -> Option<Interval> {
    let last = sorted.len().checked_sub(1)?;
    let at = |share: f64| sorted[((share * last as f64).round() as usize).min(last)];
    Some(Interval {
        lower: at(error / 2.0),
        upper: at(1.0 - error / 2.0),
    })
}
