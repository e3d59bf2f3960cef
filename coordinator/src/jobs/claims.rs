//! Claims of one kind of job: all calls that wait are served in one transaction.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use groklab_domain::{
    JobId, JobKind, PythonVersion, WorkerId,
    job::{Job, Turns, Waiting},
};
use sqlx::PgConnection;

use super::group_commit::Commit;
use crate::{
    error::{Error, Result},
    kinds::{self, Assignment},
    metrics::Metrics,
    store::{
        Store,
        lease::{self, Capacity},
        worker::{self, Known},
    },
};

/// Jobs that are handed out in one transaction; more than there are calls in it, so that each can
/// get one.
const MAX_JOBS_PER_TRANSACTION: usize = 256;

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    pub worker: WorkerId,
    pub kind: JobKind,
    pub capacity: u32,
    /// What it works on already.
    pub held: Vec<JobId>,
}

/// Hands out the jobs of one kind.
#[derive(Debug)]
pub struct Claims {
    store: Store,
    kind: JobKind,
    lease: Duration,
    turns: Mutex<Turns>,
    metrics: Metrics,
}

impl Claims {
    pub fn new(store: Store, kind: JobKind, lease: Duration, metrics: Metrics) -> Self {
        Self {
            store,
            kind,
            lease,
            turns: Mutex::default(),
            metrics,
        }
    }
}

impl Commit for Claims {
    type Call = LeaseRequest;
    type Answer = Vec<Assignment>;

    /// A job whose message cannot be made is not leased.
    async fn commit(&self, calls: &[LeaseRequest]) -> Result<Vec<Result<Vec<Assignment>>>> {
        self.metrics.committed_together(calls.len());
        let mut tx = self.store.begin().await?;
        let workers: Vec<WorkerId> = calls.iter().map(|call| call.worker).collect();
        let known = worker::seen(&mut tx, &workers).await?;
        let mut answers = Vec::with_capacity(calls.len());
        // A worker whose connection broke may ask twice at once: its later call is served.
        let mut served: HashMap<WorkerId, usize> = HashMap::new();
        for (place, call) in calls.iter().enumerate() {
            let allowed = check_kind(call, known.get(&call.worker));
            if allowed.is_ok() {
                served.insert(call.worker, place);
            }
            answers.push(allowed.map(|()| Vec::new()));
        }
        let mut capacities = Vec::with_capacity(served.len());
        for (place, call) in calls.iter().enumerate() {
            if served.get(&call.worker) == Some(&place) {
                capacities.push(Capacity {
                    worker: call.worker,
                    jobs: call.capacity,
                    held: &call.held,
                });
            }
        }
        // Lost answers first: a job that its holder does not know of would lie until its lease
        // expires.
        let mut jobs = lease::reissue(&mut tx, self.kind, &capacities, self.lease).await?;
        let slots = slots(&capacities, &jobs);
        for (python, slots) in by_python(slots, &known) {
            self.claim(&mut tx, python, &slots, &mut jobs).await?;
        }
        // Within the transaction: where a message cannot be made, the claims are undone with it.
        let assignments = kinds::assign(&mut tx, self.kind, jobs).await?;
        tx.commit().await?;
        for assignment in assignments {
            let worker = assignment.job.worker;
            if let Some(&place) = worker.and_then(|worker| served.get(&worker))
                && let Ok(answer) = &mut answers[place]
            {
                answer.push(assignment);
            }
        }
        Ok(answers)
    }
}

impl Claims {
    /// Claims a job for each slot, whose workers have this version of Python, as far as there are any. Jobs that another transaction holds are
    /// passed over, so an experiment may have fewer than were counted: it is left out of the next
    /// round, and the others have its share.
    async fn claim(
        &self,
        db: &mut PgConnection,
        python: Option<PythonVersion>,
        mut slots: &[WorkerId],
        jobs: &mut Vec<Job>,
    ) -> Result<()> {
        let mut waiting = lease::waiting(db, self.kind, python, slots.len()).await?;
        while !slots.is_empty() && !waiting.is_empty() {
            // In a block of its own, for a guard of std's mutex must not be held while the database
            // is asked. The turns only order equals, so those that a panic left behind still serve.
            let shares = {
                let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
                turns.share(&waiting, slots.len())
            };
            let claimed = lease::claim(db, self.kind, &shares, slots, self.lease).await?;
            // The claim fills the slots from the front: those that are left got no job.
            slots = &slots[claimed.len()..];
            let shares: HashMap<_, _> = shares.into_iter().collect();
            for one in &mut waiting {
                let share = shares.get(&one.experiment).copied().unwrap_or(0);
                count_claimed(one, share, &claimed);
            }
            // Each round claims a job or leaves an experiment out, so the loop ends.
            waiting.retain(|one| one.ready > 0);
            jobs.extend(claimed);
        }
        Ok(())
    }
}

/// What is left of an experiment that had this share of a round, in which these jobs were claimed.
fn count_claimed(waiting: &mut Waiting, share: u32, claimed: &[Job]) {
    let mut got = 0;
    for job in claimed {
        got += u32::from(job.experiment == waiting.experiment);
    }
    waiting.leased += got;
    waiting.ready = if got < share { 0 } else { waiting.ready - got };
}

fn check_kind(call: &LeaseRequest, registered: Option<&Known>) -> Result<()> {
    let kind = registered
        .ok_or_else(|| Error::missing("worker", call.worker))?
        .kind;
    if kind == call.kind {
        return Ok(());
    }
    Err(Error::Caller(format!(
        "worker {} registered for {kind} and asks for {}",
        call.worker, call.kind
    )))
}

/// The slots of the workers of each version of Python, in their order; nearly always there is one.
fn by_python(
    slots: Vec<WorkerId>,
    known: &HashMap<WorkerId, Known>,
) -> BTreeMap<Option<PythonVersion>, Vec<WorkerId>> {
    let mut groups: BTreeMap<_, Vec<WorkerId>> = BTreeMap::new();
    for worker in slots {
        let python = known.get(&worker).and_then(|known| known.python);
        groups.entry(python).or_default().push(worker);
    }
    groups
}

/// The worker of each job that there is room for: first one for every worker, then a second one,
/// and so on.
fn slots(capacities: &[Capacity<'_>], reissued: &[Job]) -> Vec<WorkerId> {
    let mut rooms: Vec<(WorkerId, usize)> = Vec::with_capacity(capacities.len());
    for capacity in capacities {
        let mut room = capacity.jobs as usize;
        for job in reissued {
            // A job that is given again takes up room too.
            room = room.saturating_sub(usize::from(job.worker == Some(capacity.worker)));
        }
        rooms.push((capacity.worker, room));
    }
    let mut slots = Vec::new();
    for round in 0.. {
        let before = slots.len();
        for (worker, room) in &rooms {
            if *room > round {
                slots.push(*worker);
            }
        }
        // The last round may overshoot, which `truncate` mends.
        if slots.len() == before || slots.len() >= MAX_JOBS_PER_TRANSACTION {
            break;
        }
    }
    slots.truncate(MAX_JOBS_PER_TRANSACTION);
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_one_before_any_gets_two() {
        let [a, b, c] = [WorkerId::new(), WorkerId::new(), WorkerId::new()];
        let capacity = |worker, jobs| Capacity {
            worker,
            jobs,
            held: &[],
        };
        assert_eq!(
            slots(&[capacity(a, 3), capacity(b, 1), capacity(c, 2)], &[]),
            [a, b, c, a, c, a]
        );
        assert!(slots(&[capacity(a, 0)], &[]).is_empty());
        let many = slots(&[capacity(a, u32::MAX)], &[]);
        assert_eq!(many.len(), MAX_JOBS_PER_TRANSACTION);
    }
}
