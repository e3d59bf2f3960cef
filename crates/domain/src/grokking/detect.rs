//! The search itself: memorised, plateau, grokked, emerged, each as the design defines it, and in
//! words why not more.
//!
//! Departures from a bare reading: train accuracy that is already memorised before any training
//! (iteration 0) shows nothing; "suddenly" means at most `transition` evaluations between the
//! plateau and the change-point; the series as it stands is judged, so a model that later unlearns
//! what it grokked is no longer called grokked.

use super::plateau::{Kind, latest, mean};
use super::{Evaluation, Parameters, Phase, Report, Rise, rise};

/// Judges a series of evaluations in order of iteration.
pub fn detect(series: &[Evaluation], parameters: &Parameters) -> Report {
    let report = grokking(series, parameters);
    if report.phase == Phase::Grokked {
        // Where both could be said, this is the stronger statement.
        return report;
    }
    emergence(series, parameters).unwrap_or(report)
}

/// The path memorised → plateau → grokked, as far as the series goes along it.
fn grokking(series: &[Evaluation], parameters: &Parameters) -> Report {
    let mut report = Report {
        phase: Phase::None,
        memorised: None,
        plateau: None,
        onset: None,
        delay: None,
        ratio: None,
        rise: None,
        reason: String::new(),
    };
    match advance(series, parameters, &mut report) {
        Ok(()) => report.phase = Phase::Grokked,
        Err(why_not) => report.reason = why_not,
    }
    report
}

/// Fills `report` step by step; the error says in words why there is no further step.
fn advance(
    series: &[Evaluation],
    parameters: &Parameters,
    report: &mut Report,
) -> Result<(), String> {
    let memorised = memorised(series, parameters)?;
    report.phase = Phase::Memorised;
    report.memorised = Some(series[memorised].iteration);
    // Only at the last of these evaluations is it known that the train split is memorised.
    let established = memorised + parameters.memorised_for - 1;
    report.plateau = latest(
        series,
        established,
        established..series.len(),
        Kind::Memorised,
        parameters,
    );
    report
        .plateau
        .ok_or_else(|| no_plateau(series, parameters))?;
    // Kept if the search ends here: the report says how far the series has come.
    report.phase = Phase::Plateau;
    let (change, rise) = significant_rise(series, established, parameters, report)?;
    // The plateau must end at most `transition` evaluations before the change-point.
    let before = established.max(change.saturating_sub(parameters.transition + 1));
    report.plateau = Some(
        latest(
            series,
            established,
            before..change,
            Kind::Memorised,
            parameters,
        )
        .ok_or_else(|| {
            format!(
                "val rose by iteration {}, but gradually: no plateau leads up to it",
                rise.iteration
            )
        })?,
    );
    if !runs(&series[change..], parameters.generalised_for, |e| {
        e.val.rate() >= parameters.generalised
    })
    .any(|_| true)
    {
        let (level, times) = (percent(parameters.generalised), parameters.generalised_for);
        return Err(format!(
            "val rose at iteration {} but has not been at {level} in {times} evaluations running",
            rise.iteration
        ));
    }
    test_agrees(series, change, Some(parameters.test_after), parameters)?;
    report.onset = Some(rise.iteration);
    let start = series[memorised].iteration;
    report.delay = Some(rise.iteration - start);
    // Nothing was trained before iteration 0, so nothing can be a multiple of it.
    report.ratio = (start > 0).then(|| f64::from(rise.iteration) / f64::from(start));
    report.reason = format!("memorised at iteration {start}, then {}", told(&rise));
    Ok(())
}

/// Both splits low and flat, then both rise at one change-point: emergence. `None` where that is
/// not so.
fn emergence(series: &[Evaluation], parameters: &Parameters) -> Option<Report> {
    let (change, rise) = rise::search(series, parameters)?;
    let first = change.saturating_sub(parameters.transition + 1);
    let plateau = latest(series, 0, first..change, Kind::Low, parameters)?;
    // With val's correction: the two rise together, so the search has picked train's place too.
    let train = rise::at_split(series, change, |e| e.train, rise.candidates, parameters);
    let enough = smallest_val(series) >= parameters.least_problems
        && rise.lower >= parameters.rise
        && train.lower >= parameters.rise;
    if !enough || test_agrees(series, change, None, parameters).is_err() {
        return None;
    }
    Some(Report {
        phase: Phase::Emerged,
        memorised: memorised(series, parameters)
            .ok()
            .map(|i| series[i].iteration),
        plateau: Some(plateau),
        onset: Some(rise.iteration),
        delay: None,
        ratio: None,
        rise: Some(rise),
        reason: format!(
            "train and val were both below {}, then {}",
            percent(parameters.low),
            told(&rise)
        ),
    })
}

/// The index of the first evaluation of those that count as memorised.
fn memorised(series: &[Evaluation], parameters: &Parameters) -> Result<usize, String> {
    let high = |e: &Evaluation| e.train.rate() >= parameters.memorised;
    if let Some(first) = series.first().filter(|e| e.iteration == 0 && high(e)) {
        return Err(format!(
            "train was at {} before any training: there is nothing to memorise",
            percent(first.train.rate())
        ));
    }
    runs(series, parameters.memorised_for, high)
        .next()
        .ok_or_else(|| {
            let best = series.iter().map(|e| e.train.rate()).fold(0.0, f64::max);
            let (level, times) = (percent(parameters.memorised), parameters.memorised_for);
            format!(
                "train has not been at {level} in {times} evaluations running; its best is {}",
                percent(best)
            )
        })
}

/// Starts of runs of `length` evaluations in all of which `holds`.
fn runs(
    series: &[Evaluation],
    length: usize,
    holds: impl Fn(&Evaluation) -> bool,
) -> impl Iterator<Item = usize> {
    series
        .windows(length.max(1))
        .enumerate()
        .filter(move |(_, window)| window.iter().all(&holds))
        .map(|(start, _)| start)
}

fn no_plateau(series: &[Evaluation], parameters: &Parameters) -> String {
    let gap = series.last().map_or(0.0, |e| e.train.rate() - e.val.rate());
    let (length, least) = (parameters.plateau, points(parameters.gap));
    format!(
        "no plateau was shown, {length} or more evaluations of flat val at least {least} below \
            train; val is now {} below",
        points(gap)
    )
}

/// The change-point of val after memorising, if it is large enough; `report.rise` gets it either
/// way.
fn significant_rise(
    series: &[Evaluation],
    established: usize,
    parameters: &Parameters,
    report: &mut Report,
) -> Result<(usize, Rise), String> {
    let problems = smallest_val(series);
    if problems < parameters.least_problems {
        return Err(format!(
            "val has {problems} problems; {} are needed to tell a rise from chance",
            parameters.least_problems
        ));
    }
    let after = parameters.generalised_for;
    let (change, rise) = rise::search(&series[established..], parameters)
        .ok_or_else(|| format!("val is on a plateau; a rise needs {after} evaluations after it"))?;
    report.rise = Some(rise);
    if rise.lower < parameters.rise {
        let (seen, wanted) = (points(rise.lower.max(-1.0)), points(parameters.rise));
        return Err(format!(
            "val has not risen enough: the lower bound of its largest rise is {seen}, {wanted} are \
                needed"
        ));
    }
    Ok((established + change, rise))
}

/// The untouched test split rises at the same split point: it was not searched, so its bound is not
/// corrected.
fn test_agrees(
    series: &[Evaluation],
    change: usize,
    least_after: Option<f64>,
    parameters: &Parameters,
) -> Result<(), String> {
    let rise = rise::at_split(series, change, |e| e.test, 1, parameters);
    if rise.lower <= 0.0 {
        return Err(format!(
            "val rose at iteration {}, but test did not: {}",
            rise.iteration,
            told(&rise)
        ));
    }
    let after = mean(&series[change..], |e| e.test);
    match least_after {
        Some(least) if after < least => Err(format!(
            "val rose at iteration {}, but test is at {} after it, not {}",
            rise.iteration,
            percent(after),
            percent(least)
        )),
        _ => Ok(()),
    }
}

fn smallest_val(series: &[Evaluation]) -> u32 {
    series.iter().map(|e| e.val.total).min().unwrap_or(0)
}

fn told(rise: &Rise) -> String {
    let bounds = format!("[{:.1}, {:.1}]", 100.0 * rise.lower, 100.0 * rise.upper);
    format!(
        "a rise by {} {bounds} at iteration {}",
        points(rise.estimate),
        rise.iteration
    )
}

fn percent(rate: f64) -> String {
    format!("{:.1} %", 100.0 * rate)
}

fn points(difference: f64) -> String {
    format!("{:.1} points", 100.0 * difference)
}

#[cfg(test)]
mod tests;
