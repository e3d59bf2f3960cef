//! `worker-verify repeat`: the same delicate candidates twice, without and with other work on the
//! machine. Verdicts and what was returned in time must be the same.

use std::{
    hint::black_box,
    io::Write,
    num::NonZero,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use groklab_domain::Verdict;

use crate::{
    commands::bench::{
        drive::{Measurement, drive},
        load::delicate,
    },
    judge::{Outcome, Submission, pool::all_cores, verify},
    sandbox::Sandbox,
};

/// Differences that are printed; all are counted.
const MAX_PRINTED_DIFFERENCES: usize = 5;

/// Runs `count` candidates quietly and again under load; returns how many differed, and prints the
/// first few.
///
/// # Errors
/// Printing.
pub fn repeat(
    sandbox: &dyn Sandbox,
    count: usize,
    threads: NonZero<usize>,
    out: &mut dyn Write,
) -> anyhow::Result<usize> {
    let candidates = delicate(count);
    let submissions: Vec<_> = candidates.iter().collect();
    let quiet = drive(sandbox, &submissions, threads);
    let loaded = drive_under_load(sandbox, &submissions, threads);
    let mut different = 0;
    for (place, (first, second)) in quiet.outcomes.iter().zip(&loaded.outcomes).enumerate() {
        let (first, second) = (seen(first), seen(second));
        if first == second {
            continue;
        }
        different += 1;
        if different <= MAX_PRINTED_DIFFERENCES {
            let code = String::from_utf8_lossy(&candidates[place].text);
            writeln!(out, "{code}\n  quiet: {first:?}\n  under load: {second:?}")?;
        }
    }
    let [quietly, under_load] = [quiet, loaded].map(|driven| driven.elapsed.as_secs_f64());
    writeln!(
        out,
        "{count} candidates: {different} differ; \
         {quietly:.1} s quietly, {under_load:.1} s under load"
    )?;
    Ok(different)
}

/// Runs the submissions while every core has two threads with something better to do.
fn drive_under_load(
    sandbox: &dyn Sandbox,
    submissions: &[&Submission],
    threads: NonZero<usize>,
) -> Measurement {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 * all_cores().get() {
            scope.spawn(|| keep_busy(&stop));
        }
        let mut driven = drive(sandbox, submissions, threads);
        // As for a worker, only a timeout of a run alone counts.
        for (submission, outcome) in submissions.iter().zip(&mut driven.outcomes) {
            if outcome.verdict == Verdict::Timeout {
                *outcome = verify(sandbox, submission, &AtomicBool::new(false));
            }
        }
        stop.store(true, Ordering::Relaxed);
        driven
    })
}

fn keep_busy(stop: &AtomicBool) {
    let mut sum: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        for number in 0..10_000 {
            sum = sum.wrapping_mul(31).wrapping_add(number);
        }
        // Without a use the compiler would leave the work out.
        black_box(sum);
    }
}

/// The verdict, and what was returned; past the limit it is a matter of moments whether anything
/// was.
fn seen(outcome: &Outcome) -> (Verdict, Option<&str>) {
    let failure = outcome.first_failure.as_ref();
    let got = failure.and_then(|failure| failure.got.as_deref());
    let in_time = outcome.verdict != Verdict::Timeout;
    (outcome.verdict, got.filter(|_| in_time))
}
