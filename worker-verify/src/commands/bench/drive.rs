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

use crate::judge::verify::{Outcome, Submission, verify};
use crate::sandbox::Sandbox;

/// Everything that was measured of one drive.
pub struct Driven {
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
) -> Driven {
    let (next, never) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new(Vec::with_capacity(submissions.len()));
    let since = Instant::now();
    let work = || {
        while let Some((index, submission)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, submissions.get(i)?)))
        {
            let began = Instant::now();
            let outcome = verify(sandbox, submission, &never);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((
                index,
                outcome,
                began.elapsed(),
            ));
        }
    };
    thread::scope(|scope| (0..threads.get()).for_each(|_| drop(scope.spawn(work))));
    let elapsed = since.elapsed();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, ..)| *index);
    let (outcomes, latencies) = done
        .into_iter()
        .map(|(_, outcome, took)| (outcome, took))
        .unzip();
    Driven {
        outcomes,
        latencies,
        elapsed,
    }
}

/// Keeps this thread, and every thread and process it starts from now on, on one core; the answer is what it had before.
pub fn keep_to_one_core() -> nix::Result<CpuSet> {
    let before = sched_getaffinity(Pid::from_raw(0))?;
    let mut one = CpuSet::new();
    if let Some(core) = (0..CpuSet::count()).find(|core| before.is_set(*core).unwrap_or(false)) {
        one.set(core)?;
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
