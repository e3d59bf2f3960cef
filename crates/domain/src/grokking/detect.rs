//! The search itself: memorised, delayed, grokked, emerged, and in words why not more.
//!
//! The series as it stands is judged: a model that later unlearns what it grokked is no longer
//! called grokked. What its next evaluations may change is in the report's certainty.

use super::agreement;
use super::emergence::emergence;
use super::phrases::{percent, points};
use super::resample::resample;
use super::series::{Series, accuracy};
use super::shape::{self, LEAST_AFTER, Memorised, Rise, Unshaped};
use super::{Certainty, Estimate, Parameters, Phase, Report, UnitCounts};
use crate::stats::Interval;

/// Judges a series of evaluations in order of time.
pub fn detect(series: &Series, parameters: &Parameters) -> Report {
    let units = UnitCounts {
        train: series.train.len(),
        val: series.val.len(),
        test: series.test.len(),
    };
    let mut report = Report::nothing(units, String::new());
    if let Err(why_not) = advance(series, parameters, &mut report) {
        report.reason = why_not;
    }
    let fewest = units.val.min(units.test);
    if report.phase.generalised() || fewest < parameters.least_units {
        return report;
    }
    emergence(series, parameters, &report).unwrap_or(report)
}

/// Fills `report` step by step; the error says in words why there is no further step.
fn advance(series: &Series, parameters: &Parameters, report: &mut Report) -> Result<(), String> {
    let evaluations = series.times.len();
    let train = accuracy(&series.train, evaluations);
    let least = parameters.memorised;
    let memorised = shape::memorised(&series.times, &train, least, parameters)
        .map_err(|unshaped| in_words(unshaped, parameters))?;
    report.phase = Phase::Memorised;
    report.memorised = Some(memorised.time);
    enough_units(report.units, parameters)?;
    let rise = late_rise(series, &memorised, &train, parameters, report)?;
    let after = memorised.evaluation;
    let before = after..(after + 3).min(evaluations);
    agreement::check(series, before, parameters, report)?;
    report.certainty = Certainty::after(&rise, &series.times);
    let width = rise.width(memorised.time);
    let mut reason = format!(
        "memorised at {:.1}, half of a rise by {} at {:.1}: {:.1} times as long",
        memorised.time,
        points(rise.height()),
        rise.t50,
        rise.t50 / memorised.time
    );
    report.phase = Phase::Delayed;
    if width > parameters.width {
        reason.push_str(&format!(
            "; gradual: the rise took {width:.1} times as long as the wait"
        ));
    } else if let Some(gradual) = gradual_when_sampled(series, &memorised, &rise, parameters) {
        reason.push_str(&gradual);
    } else {
        report.phase = Phase::Grokked;
    }
    report.reason = reason;
    Ok(())
}

fn enough_units(units: UnitCounts, parameters: &Parameters) -> Result<(), String> {
    for (split, count) in [("val", units.val), ("test", units.test)] {
        if count < parameters.least_units {
            let plural = if count == 1 { "" } else { "s" };
            return Err(format!(
                "cannot show more: {split} has {count} unit{plural}, {} are needed",
                parameters.least_units
            ));
        }
    }
    Ok(())
}

/// Val's rise after memorising, if it is large, high and late enough.
fn late_rise(
    series: &Series,
    memorised: &Memorised,
    train: &[f64],
    parameters: &Parameters,
    report: &mut Report,
) -> Result<Rise, String> {
    let after = memorised.evaluation;
    let left = series.times.len() - after;
    if left < LEAST_AFTER {
        return Err(in_words(Unshaped::TooShort(left), parameters));
    }
    let val = accuracy(&series.val, series.times.len());
    let end = shape::mean(&val[after + shape::ending(left)..]);
    let Some(rise) = memorised.rise(&series.times, &val, 0.02) else {
        let now = percent(end);
        return Err(format!("val has not risen since: it is at {now}"));
    };
    let risen = fill_in(series, memorised, &rise, parameters, report);
    let gap = shape::mean(&train[after..after + 3]) - rise.low;
    if gap < parameters.gap {
        return Err(format!(
            "val was only {} below train when train was memorised: they rose together",
            points(gap)
        ));
    }
    if let Some(ci95) = risen.filter(|ci95| ci95.lower < parameters.rise) {
        return Err(format!(
            "val rose by {}, which may be as little as {}: {} are needed",
            points(rise.height()),
            points(ci95.lower),
            points(parameters.rise)
        ));
    }
    high_and_late(end, &rise, report.delay, parameters)?;
    Ok(rise)
}

/// Puts the rise into the report, with what the bootstrap says of it; returns the interval of its
/// height.
fn fill_in(
    series: &Series,
    memorised: &Memorised,
    rise: &Rise,
    parameters: &Parameters,
    report: &mut Report,
) -> Option<Interval> {
    (report.t10, report.t50, report.t90) = (Some(rise.t10), Some(rise.t50), Some(rise.t90));
    let resamples = resample(series, false, parameters);
    let of = |estimate, ci95: Option<Interval>| ci95.map(|ci95| Estimate { estimate, ci95 });
    let error = parameters.error;
    let risen = resamples.rise(error);
    report.rise = of(rise.height(), risen);
    report.delay = of(rise.t50 / memorised.time, resamples.delay(error));
    report.width = of(rise.width(memorised.time), resamples.width(error));
    risen
}

fn high_and_late(
    end: f64,
    rise: &Rise,
    delay: Option<Estimate>,
    parameters: &Parameters,
) -> Result<(), String> {
    if rise.top.min(end) < parameters.generalised {
        return Err(format!(
            "val rose to {}: {} are needed",
            percent(rise.top.min(end)),
            percent(parameters.generalised)
        ));
    }
    match delay {
        Some(delay) if delay.ci95.lower >= parameters.delay => Ok(()),
        Some(delay) => Err(format!(
            "val rose too soon after memorising: t50 is {:.1} times the time of memorising, \
             perhaps {:.1}; {:.1} are needed",
            delay.estimate, delay.ci95.lower, parameters.delay
        )),
        None => Err("val's rise hangs on a few units".to_owned()),
    }
}

/// What sampled accuracy says against a sudden change; greedy accuracy makes steps of what is
/// smooth (Schaeffer et al. 2023).
fn gradual_when_sampled(
    series: &Series,
    memorised: &Memorised,
    greedy: &Rise,
    parameters: &Parameters,
) -> Option<String> {
    let sampled = series.val_sampled.as_ref()?;
    let curve = accuracy(sampled, series.times.len());
    let Some(rise) = memorised.rise(&series.times, &curve, 0.02) else {
        return Some("; sampled accuracy did not rise with it".to_owned());
    };
    let width = rise.width(memorised.time);
    if width > parameters.width {
        return Some(format!(
            "; gradual in sampled accuracy: the rise took {width:.1} times as long as the wait"
        ));
    }
    let apart = rise.t10 > greedy.t90 || rise.t90 < greedy.t10;
    apart.then(|| format!("; sampled accuracy rose at another time, {:.1}", rise.t50))
}

fn in_words(unshaped: Unshaped, parameters: &Parameters) -> String {
    match unshaped {
        Unshaped::BeforeTraining(rate) => format!(
            "train was at {} before any training: there is nothing to memorise",
            percent(rate)
        ),
        Unshaped::NotMemorised(best) => format!(
            "train has not stayed at {} or above; its best is {}",
            percent(parameters.memorised),
            percent(best)
        ),
        Unshaped::TooShort(evaluations) => format!(
            "{evaluations} evaluations since memorising: {LEAST_AFTER} are needed to see a rise"
        ),
    }
}

#[cfg(test)]
mod tests;
