//! Taking jobs' results: fence first, then the results, then what follows from them, for all calls
//! that wait in one transaction. Results are checked before anything is written, so that refusing
//! some leaves the others alone.

use std::collections::HashMap;

use enum_map::EnumMap;
use groklab_domain::{
    ExperimentId, JobId, JobKind,
    job::{Claim, ClaimStatus, Job},
};
use sqlx::PgConnection;

use super::group_commit::Commit;
use crate::{
    error::Result,
    kinds::{self, Accepted, Completed, Experiments, Refusal, Results},
    metrics::Metrics,
    nudge::Nudge,
    store::{
        Store,
        experiment::{self, Experiment},
        job, lease,
    },
};

/// A worker's word that it is done with a job.
#[derive(Debug)]
pub struct Completion {
    pub claim: Claim,
    /// The work's own time.
    pub seconds: f64,
    pub results: Result<Results, Refusal>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Stored by this call, for a job of this experiment and kind.
    Stored(ExperimentId, JobKind),
    /// Stored by an earlier call of the same attempt.
    StoredBefore,
    /// The job has moved on and nothing was stored.
    Stale,
    /// They are not this job's results: nothing was stored.
    Refused(Refusal),
}

/// Takes results.
#[derive(Debug)]
pub struct Completions {
    pub store: Store,
    pub nudge: Nudge,
    pub metrics: Metrics,
}

impl Commit for Completions {
    type Call = Completion;
    type Answer = Outcome;

    async fn commit(&self, calls: &[Completion]) -> Result<Vec<Result<Outcome>>> {
        self.metrics.committed_together(calls.len());
        let claims: Vec<Claim> = calls.iter().map(|call| call.claim).collect();
        let mut tx = self.store.begin().await?;
        let experiments = lock_experiments(&mut tx, calls).await?;
        // Kept for the question about ready jobs below: `Experiments` takes the map.
        let ids: Vec<ExperimentId> = experiments.keys().copied().collect();
        let mut batch = Batch::new(lease::claimed_jobs(&mut tx, &claims).await?);
        let completed = batch.parsed(calls);
        let mut experiments = Experiments::new(experiments);
        let accepted = kinds::take(&mut tx, &completed, &mut experiments).await?;
        let followers = accepted.followers;
        batch.refuse(accepted);
        let done = batch.done(calls);
        // After the results are stored: only claims that were not refused complete their jobs.
        lease::complete(&mut tx, &done).await?;
        let more = job::all_have_ready(&mut tx, &ids).await?;
        tx.commit().await?;
        if !done.is_empty() {
            self.nudge_others(followers, more);
        }
        Ok(batch.outcomes())
    }
}

impl Completions {
    fn nudge_others(&self, followers: EnumMap<JobKind, usize>, more_ready: bool) {
        for (kind, jobs) in followers {
            for _ in 0..jobs {
                self.nudge.work(kind);
            }
        }
        // While there is work to hand out the loop may wait for its own clock: each of its looks
        // counts all jobs of an iteration.
        if !more_ready {
            self.nudge.state();
        }
    }
}

/// The jobs' experiments. An experiment's row is locked before any job's, as everywhere; here that
/// is needed where it is not fixed yet what all results are made with.
async fn lock_experiments(
    db: &mut PgConnection,
    calls: &[Completion],
) -> Result<HashMap<ExperimentId, Experiment>> {
    let jobs: Vec<JobId> = calls.iter().map(|call| call.claim.job).collect();
    let mut experiments = experiment::of_jobs(db, &jobs).await?;
    // Locking every row at every completion would let the two lanes wait for each other.
    let mut unfixed = Vec::new();
    for experiment in experiments.values() {
        // Of which experiment a call's job is, does not matter: one lock too many harms little.
        let fixes = |call: &Completion| {
            let results = call.results.as_ref();
            results.is_ok_and(|results| results.made_with().fixes(experiment))
        };
        if calls.iter().any(fixes) {
            unfixed.push(experiment.id);
        }
    }
    if !unfixed.is_empty() {
        // Read anew under the lock: another transaction may have fixed it while this one waited.
        experiments.extend(experiment::lock_all(db, &unfixed).await?);
    }
    Ok(experiments)
}

/// The calls of one transaction, by their places.
struct Batch {
    claimed: Vec<Result<(ClaimStatus, Job)>>,
    /// The first call that completes a job. A later one for the same job was sent because the first
    /// one's connection broke.
    first: HashMap<JobId, usize>,
    refused: HashMap<usize, Refusal>,
}

impl Batch {
    fn new(claimed: Vec<Result<(ClaimStatus, Job)>>) -> Self {
        let mut first = HashMap::new();
        for (place, claim) in claimed.iter().enumerate() {
            // All calls were read at the same moment, so two for one job both seem to hold it.
            if let Ok((ClaimStatus::Holds, job)) = claim {
                first.entry(job.id).or_insert(place);
            }
        }
        Self {
            claimed,
            first,
            refused: HashMap::new(),
        }
    }

    fn job(&self, place: usize) -> Option<&Job> {
        match &self.claimed[place] {
            Ok((ClaimStatus::Holds, job)) => Some(job),
            _ => None,
        }
    }

    /// The first calls' results, as far as they could be parsed; the others are refused.
    fn parsed<'a>(&'a mut self, calls: &'a [Completion]) -> Vec<Completed<'a>> {
        for &place in self.first.values() {
            if let Err(refusal) = &calls[place].results {
                self.refused.insert(place, refusal.clone());
            }
        }
        let batch = &*self;
        let mut completed = Vec::with_capacity(batch.first.len());
        for (place, call) in calls.iter().enumerate() {
            let Some(job) = batch.job(place) else {
                continue;
            };
            if let Ok(results) = &call.results
                && batch.first[&job.id] == place
            {
                completed.push(Completed {
                    place,
                    job,
                    results,
                });
            }
        }
        completed
    }

    fn refuse(&mut self, accepted: Accepted) {
        self.refused.extend(accepted.refused);
    }

    /// The jobs that are done now, with the seconds their work took.
    fn done<'a>(&'a self, calls: &[Completion]) -> Vec<(&'a Job, f64)> {
        let mut done = Vec::with_capacity(self.first.len());
        for (place, call) in calls.iter().enumerate() {
            if let Some(job) = self.job(place)
                && self.first[&job.id] == place
                && !self.refused.contains_key(&place)
            {
                done.push((job, call.seconds));
            }
        }
        done
    }

    /// In the calls' order.
    fn outcomes(self) -> Vec<Result<Outcome>> {
        let mut outcomes = Vec::with_capacity(self.claimed.len());
        for (place, claimed) in self.claimed.into_iter().enumerate() {
            outcomes.push(claimed.map(|(status, job)| match status {
                ClaimStatus::Completed => Outcome::StoredBefore,
                ClaimStatus::Stale => Outcome::Stale,
                ClaimStatus::Holds => {
                    let first = self.first[&job.id];
                    match self.refused.get(&first) {
                        Some(refusal) => Outcome::Refused(refusal.clone()),
                        None if first == place => Outcome::Stored(job.experiment, job.spec.kind),
                        // A repeat of a call in this very group: to its sender it looks like an
                        // answer that was lost.
                        None => Outcome::StoredBefore,
                    }
                }
            }));
        }
        outcomes
    }
}
