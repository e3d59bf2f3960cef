//! Whether the test split, which nothing was chosen by, shows what val shows: it rose as well, and
//! in the end it is not far below.

use std::ops::Range;

use super::phrases::points;
use super::resample;
use super::series::{Series, Unit};
use super::shape::{ending, mean};
use super::{Parameters, Report};
use crate::stats::{Cluster, over_units, rate};

/// Fills in how far test lies below val in the end; the error says in words why it does not agree.
/// `before` are evaluations before the rise.
pub(super) fn check(
    series: &Series,
    before: Range<usize>,
    parameters: &Parameters,
    report: &mut Report,
) -> Result<(), String> {
    let evaluations = series.times.len();
    let end = ending(evaluations - before.start) + before.start..evaluations;
    let (val, test) = (
        levels(&series.val, end.clone()),
        levels(&series.test, end.clone()),
    );
    let below = rate(&val) - rate(&test);
    let at_most = distance_at_most(&val, &test, parameters.test_error)
        .ok_or("one unit shows nothing of how they vary")?;
    report.test_below_val = Some(below);
    report.test_below_val_at_most = Some(at_most);
    let risen = resample::change(&series.test, before, end, parameters);
    let risen = risen.map_or(0.0, |interval| interval.lower);
    if risen < parameters.rise {
        return Err(format!(
            "val rose, but test did not show it: its rise may be as little as {}, {} are needed",
            points(risen),
            points(parameters.rise)
        ));
    }
    if at_most > parameters.test_distance {
        return Err(format!(
            "val rose, but test is {} below it in the end, perhaps {}: {} are allowed",
            points(below),
            points(at_most),
            points(parameters.test_distance)
        ));
    }
    Ok(())
}

/// Newcombe's upper bound of val - test, from the interval of each over units.
fn distance_at_most(val: &[Cluster], test: &[Cluster], error: f64) -> Option<f64> {
    let (val_interval, test_interval) = (over_units(val, error)?, over_units(test, error)?);
    let (val, test) = (rate(val), rate(test));
    Some(val - test + (val_interval.upper - val).hypot(test - test_interval.lower))
}

/// Each unit's mean over some evaluations.
fn levels(units: &[Unit], evaluations: Range<usize>) -> Vec<Cluster> {
    let level = |unit: &Unit| Cluster {
        sum: unit.problems * mean(&unit.rates[evaluations.clone()]),
        count: unit.problems,
    };
    units.iter().map(level).collect()
}
