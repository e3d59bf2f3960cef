//! Verifies many candidates at once on plain threads, in input order, and confirms every timeout by a run alone.
//! Keeps nothing between calls.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use groklab_domain::Verdict;

use crate::judge::verify::{Outcome, Submission, verify};
use crate::metrics::METRICS;
use crate::sandbox::Sandbox;

/// The caller broke it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("verification was cancelled")]
pub struct Cancelled;

/// As many threads as this process may use cores.
pub fn all_cores() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Verifies all `submissions` with `threads` at once; the outcomes come in their order. `done` is told the number of finished
/// candidates, from any thread. Candidates that timed out beside others run once more, alone, and only that counts; `done` is
/// told the number of all candidates after each of these.
///
/// # Errors
/// [`Cancelled`] soon after `cancelled` turns true; running candidates are ended.
pub fn verify_all(
    sandbox: &dyn Sandbox,
    submissions: &[Submission],
    threads: NonZero<usize>,
    cancelled: &AtomicBool,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Outcome>, Cancelled> {
    METRICS
        .queue
        .fetch_add(submissions.len() as u64, Ordering::Relaxed);
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(0);
    let outcomes: Vec<Mutex<Option<Outcome>>> =
        submissions.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while !cancelled.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(submission) = submissions.get(index) else {
                break;
            };
            let since = Instant::now();
            let outcome = verify(sandbox, submission, cancelled);
            METRICS.queue.fetch_sub(1, Ordering::Relaxed);
            METRICS.took(since.elapsed());
            *outcomes[index]
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            done(finished.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let threads = threads.get().min(submissions.len());
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    // What was never taken up because of cancelling waits no more.
    METRICS.queue.fetch_sub(
        (submissions.len() - finished.load(Ordering::Relaxed)) as u64,
        Ordering::Relaxed,
    );
    let mut outcomes: Vec<Outcome> = outcomes
        .into_iter()
        .filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();
    for (outcome, submission) in outcomes.iter_mut().zip(submissions) {
        if threads > 1 && outcome.verdict == Verdict::Timeout && !cancelled.load(Ordering::Relaxed)
        {
            *outcome = verify(sandbox, submission, cancelled);
            done(submissions.len());
        }
    }
    if cancelled.load(Ordering::Relaxed) {
        return Err(Cancelled);
    }
    outcomes.iter().for_each(|outcome| METRICS.judged(outcome));
    Ok(outcomes)
}
