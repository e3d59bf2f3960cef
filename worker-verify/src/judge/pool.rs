//! Verifies many candidates at once on plain threads, in input order, and confirms every timeout by
//! a run alone. Keeps nothing between calls.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use groklab_domain::Verdict;

use crate::{
    judge::{Outcome, Submission, verify},
    metrics::Metrics,
    sandbox::Sandbox,
};

/// The caller broke it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("verification was cancelled")]
pub struct Cancelled;

/// As many threads as this process may use cores.
pub fn all_cores() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Where candidates are verified, how many at once, and what counts them.
#[derive(Clone, Copy)]
pub struct Pool<'a> {
    pub sandbox: &'a dyn Sandbox,
    pub threads: NonZero<usize>,
    pub metrics: &'a Metrics,
}

impl Pool<'_> {
    /// Verifies all `submissions`; the outcomes come in their order. `done` is told the number of
    /// finished candidates, from any thread. Candidates that timed out beside others run once more,
    /// alone, and only that counts; `done` is told the number of all candidates after each of
    /// these.
    ///
    /// # Errors
    /// [`Cancelled`] soon after `cancelled` turns true; running candidates are ended.
    pub fn verify_all(
        &self,
        submissions: &[Submission],
        cancelled: &AtomicBool,
        done: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<Outcome>, Cancelled> {
        self.metrics.count_queued(submissions.len());
        let batch = Batch {
            pool: self,
            submissions,
            cancelled,
            done,
            next: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            outcomes: Mutex::new(vec![None; submissions.len()]),
        };
        // A thread without a candidate would only be started and ended.
        let threads = self.threads.get().min(submissions.len());
        let mut outcomes = batch.run(threads);
        // Alone there was nobody whose work could have slowed it down.
        if threads > 1 {
            self.confirm_timeouts(&mut outcomes, submissions, cancelled, done);
        }
        if cancelled.load(Ordering::Relaxed) {
            return Err(Cancelled);
        }
        for outcome in &outcomes {
            // Only now are the verdicts final: a timeout may have become another one.
            self.metrics.count_verdict(outcome.verdict);
        }
        Ok(outcomes)
    }

    /// A run beside others can be slowed down by them, so a timeout counts only if it happens
    /// alone.
    fn confirm_timeouts(
        &self,
        outcomes: &mut [Outcome],
        submissions: &[Submission],
        cancelled: &AtomicBool,
        done: &dyn Fn(usize),
    ) {
        for (outcome, submission) in outcomes.iter_mut().zip(submissions) {
            if outcome.verdict == Verdict::Timeout && !cancelled.load(Ordering::Relaxed) {
                *outcome = self.verify_one(submission, cancelled);
                done(submissions.len());
            }
        }
    }

    fn verify_one(&self, submission: &Submission, cancelled: &AtomicBool) -> Outcome {
        let outcome = verify(self.sandbox, submission, cancelled);
        if let Some(opinion) = outcome.second_opinion {
            self.metrics.count_second_opinion(opinion);
        }
        outcome
    }
}

/// What the threads of one call share.
struct Batch<'a> {
    pool: &'a Pool<'a>,
    submissions: &'a [Submission],
    cancelled: &'a AtomicBool,
    done: &'a (dyn Fn(usize) + Sync),
    /// The first submission that nobody has taken yet.
    next: AtomicUsize,
    finished: AtomicUsize,
    /// By place; those that were not taken up because of cancelling stay empty.
    outcomes: Mutex<Vec<Option<Outcome>>>,
}

impl Batch<'_> {
    /// Verifies all, unless it is cancelled; the outcomes of those that were taken up are in order.
    fn run(self, threads: usize) -> Vec<Outcome> {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.work());
            }
        });
        // What was never taken up because of cancelling waits no more.
        let unfinished = self.submissions.len() - self.finished.load(Ordering::Relaxed);
        self.pool.metrics.count_unqueued(unfinished);
        let outcomes = self.outcomes.into_inner();
        let outcomes = outcomes.unwrap_or_else(PoisonError::into_inner);
        outcomes.into_iter().flatten().collect()
    }

    /// Takes submissions until there are none left.
    fn work(&self) {
        while !self.cancelled.load(Ordering::Relaxed) {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            // Every thread counts one too far at the end, which does no harm.
            let Some(submission) = self.submissions.get(place) else {
                break;
            };
            let outcome = self.pool.verify_one(submission, self.cancelled);
            self.pool.metrics.count_unqueued(1);
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            outcomes[place] = Some(outcome);
            // `done` may take its time: the other threads must not wait for it.
            drop(outcomes);
            (self.done)(self.finished.fetch_add(1, Ordering::Relaxed) + 1);
        }
    }
}
