//! Claims, and the life of a fence.
//!
//! A fence is a number that a job carries; a worker's results are taken only with the number the
//! job has at that moment. It grows in two places:
//!
//! - **A claim adds one.** Whoever claims the job gets the new number, so that of two workers who
//!   both believe they have it the earlier one is refused: a *straggler*.
//! - **Cancelling and splitting add one.** The job has no holder any more, and what is still
//!   computed for it is refused.
//!
//! It stays as it is in three others:
//!
//! - **A heartbeat** extends the lease of the holder it has.
//! - **An expired lease** makes the job claimable and changes nothing else: a holder who is only
//!   late, and whom nobody has replaced, may still finish. So an outage of the coordinator throws
//!   no work away.
//! - **Completing** keeps it, so that the same results sent twice (their answer was lost) are told
//!   from a straggler's.
//!
//! A job that is given up loses its holder as well: the same number then belongs to nobody.

use serde::{Deserialize, Serialize};

use crate::{Fence, JobId, WorkerId, words::words};

/// One worker's claim on one job, as every later call names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub worker: WorkerId,
    pub job: JobId,
    pub fence: Fence,
}

words! {
    /// A job's life.
    pub enum JobState {
        /// To be claimed. Its last holder, if it has one, is late.
        Ready = "ready",
        Leased = "leased",
        Done = "done",
        /// Replaced by jobs of one rollout each.
        Split = "split",
        Cancelled = "cancelled",
    }
}

/// Where a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimStatus {
    /// Its results may be stored.
    Holds,
    /// This attempt's results are stored already.
    Completed,
    /// The job has moved on: a newer fence, another holder, or cancelled.
    Stale,
}

impl ClaimStatus {
    /// The status of `claim` on a job in this `state`, with this `fence` and last `holder`.
    pub fn of(claim: Claim, state: JobState, fence: Fence, holder: Option<WorkerId>) -> Self {
        match state {
            _ if fence != claim.fence => Self::Stale,
            JobState::Ready | JobState::Leased if holder == Some(claim.worker) => Self::Holds,
            JobState::Done => Self::Completed,
            _ => Self::Stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A job as the table has it, with what the table's statements do to it.
    #[derive(Debug, Clone, Copy)]
    struct Job {
        state: JobState,
        fence: Fence,
        holder: Option<WorkerId>,
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        Claim(usize),
        LeaseExpires,
        GiveUp,
        Cancel,
        Split,
        Complete(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0usize..3).prop_map(Event::Claim),
            2 => Just(Event::LeaseExpires),
            1 => Just(Event::GiveUp),
            1 => Just(Event::Cancel),
            1 => Just(Event::Split),
            4 => (0usize..16).prop_map(Event::Complete),
        ]
    }

    fn end(job: &mut Job, state: JobState) {
        if matches!(job.state, JobState::Ready | JobState::Leased) {
            *job = Job {
                state,
                fence: Fence(job.fence.0 + 1),
                ..*job
            };
        }
    }

    proptest! {
        /// Whatever happens in whatever order: results are stored at most once, and never those of
        /// a claim that a later one replaced.
        #[test]
        fn results_are_stored_once_and_never_a_stragglers(events in prop::collection::vec(event(), 0..40)) {
            let workers = [WorkerId::new(), WorkerId::new(), WorkerId::new()];
            let id = JobId::new();
            let mut job = Job { state: JobState::Ready, fence: Fence(0), holder: None };
            let mut claims: Vec<Claim> = Vec::new();
            let mut stored = 0;
            for event in events {
                match event {
                    Event::Claim(worker) if job.state == JobState::Ready => {
                        job = Job { state: JobState::Leased, fence: Fence(job.fence.0 + 1), holder: Some(workers[worker]) };
                        claims.push(Claim { worker: workers[worker], job: id, fence: job.fence });
                    }
                    Event::LeaseExpires if job.state == JobState::Leased => job.state = JobState::Ready,
                    Event::GiveUp if job.state == JobState::Leased => {
                        job = Job { state: JobState::Ready, holder: None, ..job };
                    }
                    Event::Cancel => end(&mut job, JobState::Cancelled),
                    Event::Split => end(&mut job, JobState::Split),
                    Event::Complete(which) if !claims.is_empty() => {
                        let claim = claims[which % claims.len()];
                        let status = ClaimStatus::of(claim, job.state, job.fence, job.holder);
                        let newest = claims.last() == Some(&claim);
                        prop_assert!(newest || status == ClaimStatus::Stale, "{claim:?} was \
                            replaced");
                        if status == ClaimStatus::Holds {
                            stored += 1;
                            job.state = JobState::Done;
                        }
                    }
                    _ => {}
                }
            }
            prop_assert!(stored <= 1);
            prop_assert_eq!(stored == 1, job.state == JobState::Done);
        }
    }

    #[test]
    fn a_late_holder_whom_nobody_replaced_may_finish_and_say_so_twice() {
        let claim = Claim {
            worker: WorkerId::new(),
            job: JobId::new(),
            fence: Fence(3),
        };
        let status = |state, holder| ClaimStatus::of(claim, state, Fence(3), holder);
        assert_eq!(
            status(JobState::Ready, Some(claim.worker)),
            ClaimStatus::Holds
        );
        assert_eq!(
            status(JobState::Ready, None),
            ClaimStatus::Stale,
            "it was given up"
        );
        assert_eq!(
            status(JobState::Done, Some(claim.worker)),
            ClaimStatus::Completed
        );
    }
}
