//! Runs candidates and keeps how long each took.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    judge::{Outcome, Submission, verify},
    sandbox::Sandbox,
};

/// Everything that was measured of one drive.
pub struct Measurement {
    /// In the order of the submissions.
    pub outcomes: Vec<Outcome>,
    /// Elapsed time of each, from request to verdict.
    pub latencies: Vec<Duration>,
    pub elapsed: Duration,
}

/// Runs all submissions, `threads` at once.
pub fn drive(
    sandbox: &dyn Sandbox,
    submissions: &[&Submission],
    threads: NonZero<usize>,
) -> Measurement {
    let (next, never) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new(Vec::with_capacity(submissions.len()));
    let work = || loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(submission) = submissions.get(place) else {
            break;
        };
        let since = Instant::now();
        let outcome = verify(sandbox, submission, &never);
        let took = since.elapsed();
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push((place, outcome, took));
    };
    let since = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(work);
        }
    });
    let elapsed = since.elapsed();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Threads finish in any order.
    done.sort_by_key(|(place, ..)| *place);
    let mut driven = Measurement {
        outcomes: Vec::with_capacity(done.len()),
        latencies: Vec::with_capacity(done.len()),
        elapsed,
    };
    for (_, outcome, took) in done {
        driven.outcomes.push(outcome);
        driven.latencies.push(took);
    }
    driven
}

/// Keeps this thread, and every thread and process it starts from now on, on one core. Returns
/// those it had before.
pub fn keep_to_one_core() -> nix::Result<CpuSet> {
    let before = sched_getaffinity(Pid::from_raw(0))?;
    let mut one = CpuSet::new();
    for core in 0..CpuSet::count() {
        if before.is_set(core)? {
            one.set(core)?;
            break;
        }
    }
    sched_setaffinity(Pid::from_raw(0), &one)?;
    Ok(before)
}

/// Lets this thread run on these cores again.
pub fn keep_to(cores: &CpuSet) -> nix::Result<()> {
    sched_setaffinity(Pid::from_raw(0), cores)
}

/// The value below which the share `q` of `values` lies; zero of none.
pub fn quantile(values: &[Duration], q: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let place = (q * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}
