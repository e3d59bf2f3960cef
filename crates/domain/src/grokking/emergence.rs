//! Emergence: train and val lie at chance, then rise together, and no slower than they waited.

use super::phrases::{percent, points};
use super::resample::resample;
use super::series::{Series, accuracy};
use super::shape::{Rise, rise};
use super::{Certainty, Estimate, Parameters, Phase, Report, agreement};

/// The report where the series shows emergence.
pub(super) fn emergence(
    series: &Series,
    parameters: &Parameters,
    nothing: &Report,
) -> Option<Report> {
    let val = joint_jump(series, parameters)?;
    let before = series.times.partition_point(|&time| time <= val.t10);
    let interval = resample(series, true, parameters).rise(parameters.error)?;
    let mut report = nothing.clone();
    if interval.lower < parameters.rise
        || agreement::check(series, 0..before, parameters, &mut report).is_err()
    {
        return None;
    }
    report.phase = Phase::Emerged;
    (report.t10, report.t50, report.t90) = (Some(val.t10), Some(val.t50), Some(val.t90));
    report.rise = Some(Estimate {
        estimate: val.height(),
        ci95: interval,
    });
    report.reason = format!(
        "train and val were at {} until {:.1}, then both rose, val by {}",
        percent(val.low),
        val.t10,
        points(val.height())
    );
    report.certainty = Certainty::after(&val, &series.times);
    Some(report)
}

/// Val's rise, where it jumps out of chance together with train.
fn joint_jump(series: &Series, parameters: &Parameters) -> Option<Rise> {
    let (times, start) = (&series.times, *series.times.first()?);
    let train = rise(
        times,
        &accuracy(&series.train, times.len()),
        parameters.rise,
    )?;
    let val = rise(times, &accuracy(&series.val, times.len()), parameters.rise)?;
    let jumps = |rise: &Rise| {
        let at_chance = (rise.low - parameters.chance).abs() <= parameters.chance_margin;
        at_chance && rise.t90 - rise.t10 <= parameters.width * (rise.t10 - start)
    };
    let together = val.t10 <= train.t90 && train.t10 <= val.t90;
    // The wait is seen at three evaluations at least, as any level is.
    let waited = times.partition_point(|&time| time <= val.t10) >= 3;
    (jumps(&train) && jumps(&val) && together && waited).then_some(val)
}
