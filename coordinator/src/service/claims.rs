//! Claims of one kind of job: all calls that wait are served in one transaction.

use std::{collections::HashMap, time::Duration};

use groklab_domain::{JobId, JobKind, WorkerId};
use groklab_proto::v1;
use sqlx::PgConnection;

use super::{assemble, group_commit::Commit, turns::Turns};
use crate::{
    error::{Error, Result},
    store::{
        Store,
        job::Job,
        lease::{self, Asking},
        worker,
    },
};

/// Jobs that are handed out in one transaction; more than there are calls in it, so that each can get one.
const MOST_JOBS: usize = 256;

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
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
    turns: Turns,
}

impl Claims {
    pub fn new(store: Store, kind: JobKind, lease: Duration) -> Self {
        Self {
            store,
            kind,
            lease,
            turns: Turns::default(),
        }
    }
}

impl Commit for Claims {
    type Call = Wanted;
    type Answer = Vec<v1::Job>;

    /// A job whose message cannot be made is not leased.
    async fn commit(&self, calls: &[Wanted]) -> Result<Vec<Result<Vec<v1::Job>>>> {
        let mut tx = self.store.begin().await?;
        let workers: Vec<WorkerId> = calls.iter().map(|call| call.worker).collect();
        let kinds = worker::seen(&mut tx, &workers).await?;
        let mut answers: Vec<Result<Vec<v1::Job>>> = calls
            .iter()
            .map(|call| may_ask(call, kinds.get(&call.worker).copied()))
            .collect();
        // Of a worker that asks twice at once, for its connection broke, the later call is served.
        let served: HashMap<WorkerId, usize> = (0..calls.len())
            .filter(|&place| answers[place].is_ok())
            .map(|place| (calls[place].worker, place))
            .collect();
        let asking: Vec<Asking<'_>> = calls
            .iter()
            .enumerate()
            .filter(|(place, call)| served.get(&call.worker) == Some(place))
            .map(|(_, call)| Asking {
                worker: call.worker,
                capacity: call.capacity,
                held: &call.held,
            })
            .collect();
        let mut jobs = lease::regive(&mut tx, &asking, self.lease).await?;
        let slots = slots(&asking, &jobs);
        self.claim(&mut tx, &slots, &mut jobs).await?;
        let wire = assemble::jobs(&mut tx, &jobs).await?;
        tx.commit().await?;
        for (job, wire) in jobs.iter().zip(wire) {
            let place = job.worker.and_then(|worker| served.get(&worker));
            if let Some(Ok(answer)) = place.map(|&place| &mut answers[place]) {
                answer.push(wire);
            }
        }
        Ok(answers)
    }
}

impl Claims {
    /// Claims a job for each slot, as far as there are any. Jobs that another transaction holds are passed over: an experiment of which
    /// there were fewer than it seemed is left out, and the others have its share.
    async fn claim(
        &self,
        db: &mut PgConnection,
        mut slots: &[WorkerId],
        jobs: &mut Vec<Job>,
    ) -> Result<()> {
        let mut open = if slots.is_empty() {
            Vec::new()
        } else {
            lease::open(db, self.kind, slots.len()).await?
        };
        while !slots.is_empty() && !open.is_empty() {
            let shares = self.turns.share(&open, slots.len());
            let claimed = lease::claim(db, self.kind, &shares, slots, self.lease).await?;
            slots = &slots[claimed.len()..];
            for one in &mut open {
                let share = shares
                    .iter()
                    .find(|(id, _)| *id == one.experiment)
                    .map_or(0, |(_, share)| *share);
                let got = claimed
                    .iter()
                    .filter(|job| job.experiment == one.experiment)
                    .count() as u32;
                one.leased += got;
                one.ready = if got < share { 0 } else { one.ready - got };
            }
            open.retain(|one| one.ready > 0);
            jobs.extend(claimed);
        }
        Ok(())
    }
}

fn may_ask(call: &Wanted, registered: Option<JobKind>) -> Result<Vec<v1::Job>> {
    let kind = registered.ok_or_else(|| Error::missing("worker", call.worker))?;
    if kind == call.kind {
        return Ok(Vec::new());
    }
    Err(Error::Caller(format!(
        "worker {} registered for {kind} and asks for {}",
        call.worker, call.kind
    )))
}

/// The worker of each job that there is room for: first one for every worker, then a second one, and so on.
fn slots(asking: &[Asking<'_>], regiven: &[Job]) -> Vec<WorkerId> {
    let room = |asking: &Asking<'_>| {
        let has = regiven
            .iter()
            .filter(|job| job.worker == Some(asking.worker))
            .count();
        (asking.capacity as usize).saturating_sub(has)
    };
    let rooms: Vec<(WorkerId, usize)> = asking
        .iter()
        .map(|asking| (asking.worker, room(asking)))
        .collect();
    let most = rooms.iter().map(|(_, room)| *room).max().unwrap_or(0);
    let rounds = (0..most).flat_map(|round| {
        rooms
            .iter()
            .filter(move |(_, room)| *room > round)
            .map(|(worker, _)| *worker)
    });
    rounds.take(MOST_JOBS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_one_before_any_gets_two() {
        let [a, b, c] = [WorkerId::new(), WorkerId::new(), WorkerId::new()];
        let asking = |worker, capacity| Asking {
            worker,
            capacity,
            held: &[],
        };
        assert_eq!(
            slots(&[asking(a, 3), asking(b, 1), asking(c, 2)], &[]),
            [a, b, c, a, c, a]
        );
        assert!(slots(&[asking(a, 0)], &[]).is_empty());
        assert_eq!(slots(&[asking(a, u32::MAX)], &[]).len(), MOST_JOBS);
    }
}
