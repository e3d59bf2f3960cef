//! Claims on jobs. The database's clock decides expiry; every write names the fence it was given.

use std::time::Duration;

use groklab_domain::{AttemptOutcome, ExperimentId, Fault, Fence, JobId, JobKind, WorkerId};
use groklab_proto::convert::Claim;
use sqlx::{PgConnection, postgres::types::PgInterval};
use uuid::Uuid;

use super::{
    attempt,
    job::{Job, Row},
};
use crate::error::{Error, Result};

/// A job that a worker says it works on.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub job: JobId,
    pub fence: Fence,
    pub units_done: u64,
    /// 0: as many as were planned.
    pub units_total: u64,
}

/// What a result meets.
#[derive(Debug)]
pub enum Completion {
    /// The job is done now; its results are to be stored in the same transaction.
    Won(Box<Job>),
    /// This attempt's results are stored already.
    Repeated,
    /// The job has moved on: a newer fence, or cancelled.
    Stale,
}

fn interval(duration: Duration) -> Result<PgInterval> {
    PgInterval::try_from(duration).map_err(|error| Error::Internal { what: "lease length".to_owned(), source: Some(error) })
}

/// What a worker may be given, and whose turn it is.
#[derive(Debug)]
pub struct Turn<'a> {
    pub kind: JobKind,
    pub capacity: u32,
    pub lease: Duration,
    /// Experiments that were served, the latest last.
    pub served: &'a [ExperimentId],
}

/// Claims ready jobs, of the experiments with the fewest leased jobs first, then of those not served for the longest, and in the order
/// the jobs were made.
pub async fn claim(db: &mut PgConnection, worker: WorkerId, turn: &Turn<'_>) -> Result<Vec<Job>> {
    let (kind, capacity, lease) = (turn.kind.as_str(), i64::from(turn.capacity), interval(turn.lease)?);
    let served: Vec<Uuid> = turn.served.iter().map(|experiment| experiment.0).collect();
    let rows = sqlx::query_file_as!(Row, "src/store/sql/lease/claim.sql", kind, capacity, worker.0, lease, &served).fetch_all(db).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Jobs leased to this worker that it does not know of, at most `capacity`: the answer to its claim was lost. Their leases begin again.
pub async fn regive(db: &mut PgConnection, worker: WorkerId, held: &[JobId], capacity: u32, lease: Duration) -> Result<Vec<Job>> {
    let held: Vec<Uuid> = held.iter().map(|job| job.0).collect();
    let rows = sqlx::query_file_as!(Row, "src/store/sql/lease/regive.sql", worker.0, &held, interval(lease)?, i64::from(capacity))
        .fetch_all(db)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Extends the leases of `held`, also those that expired and that nobody else has claimed. Returns the jobs to drop.
pub async fn extend(db: &mut PgConnection, worker: WorkerId, held: &[Held], lease: Duration) -> Result<Vec<JobId>> {
    let jobs: Vec<Uuid> = held.iter().map(|held| held.job.0).collect();
    let fences: Vec<i64> = held.iter().map(|held| held.fence.0).collect();
    let units: Vec<i64> = held.iter().map(|held| held.units_done.cast_signed().max(0)).collect();
    let totals: Vec<i64> = held.iter().map(|held| held.units_total.cast_signed().max(0)).collect();
    let kept = sqlx::query_file_scalar!("src/store/sql/lease/extend.sql", worker.0, &jobs, &fences, &units, &totals, interval(lease)?)
        .fetch_all(db)
        .await?;
    Ok(jobs.into_iter().filter(|job| !kept.contains(&Some(*job))).map(JobId).collect())
}

/// Marks the job done where the claim still stands. A late holder whom nobody has replaced may still finish.
pub async fn complete(db: &mut PgConnection, claim: Claim, seconds: f64) -> Result<Completion> {
    let row = sqlx::query_as!(
        Row,
        "update job set state = 'done', seconds = $4, finished_at = now(), leased_until = null
         where job_id = $1 and fence = $2 and worker_id = $3 and state in ('leased', 'ready')
         returning job_id, experiment_id, iteration, purpose, kind, chunk, part, problems, first_sample, samples, fence, traceparent",
        claim.job.0,
        claim.fence.0,
        claim.worker.0,
        seconds
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(row) = row {
        attempt::end(db, claim.job, claim.fence, AttemptOutcome::Done, "").await?;
        return Ok(Completion::Won(Box::new(row.try_into()?)));
    }
    let row = sqlx::query!("select state, fence from job where job_id = $1", claim.job.0).fetch_optional(db).await?;
    let row = row.ok_or_else(|| Error::missing("job", claim.job))?;
    let repeated = row.state == "done" && row.fence == claim.fence.0;
    Ok(if repeated { Completion::Repeated } else { Completion::Stale })
}

/// How many units a done job had, where that was not known before.
pub async fn set_units(db: &mut PgConnection, job: JobId, units: u64) -> Result<()> {
    sqlx::query!("update job set units_done = $2, units_total = $2 where job_id = $1", job.0, units.cast_signed()).execute(db).await?;
    Ok(())
}

/// A job that was given up or lost, and how often that has happened.
#[derive(Debug)]
pub struct Returned {
    pub job: Job,
    pub losses: u32,
    pub failures: u32,
}

struct ReturnedRow {
    job_id: Uuid,
    experiment_id: Uuid,
    iteration: i32,
    purpose: String,
    kind: String,
    chunk: i32,
    part: i32,
    problems: Vec<i32>,
    first_sample: i32,
    samples: i32,
    fence: i64,
    traceparent: String,
    losses: i32,
    failures: i32,
}

impl TryFrom<ReturnedRow> for Returned {
    type Error = Error;

    fn try_from(row: ReturnedRow) -> Result<Self> {
        let job = Row {
            job_id: row.job_id,
            experiment_id: row.experiment_id,
            iteration: row.iteration,
            purpose: row.purpose,
            kind: row.kind,
            chunk: row.chunk,
            part: row.part,
            problems: row.problems,
            first_sample: row.first_sample,
            samples: row.samples,
            fence: row.fence,
            traceparent: row.traceparent,
        };
        Ok(Self { job: job.try_into()?, losses: row.losses.cast_unsigned(), failures: row.failures.cast_unsigned() })
    }
}

/// Takes a job back from a worker that gave it up for `reason`; None where the claim no longer stands. The caller holds the experiment's row.
/// The job waits longer after every failure; a released one does not wait, and nothing is counted against it.
pub async fn give_up(db: &mut PgConnection, claim: Claim, fault: Fault, reason: &str) -> Result<Option<Returned>> {
    let row = sqlx::query_file_as!(
        ReturnedRow,
        "src/store/sql/lease/give_up.sql",
        claim.job.0,
        claim.fence.0,
        claim.worker.0,
        i32::from(fault != Fault::Released)
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let outcome = if fault == Fault::Released { AttemptOutcome::Cancelled } else { AttemptOutcome::Failed };
    attempt::end(db, claim.job, claim.fence, outcome, reason).await?;
    row.try_into().map(Some)
}

/// Experiments that have jobs whose lease has expired.
pub async fn expired(db: &mut PgConnection) -> Result<Vec<ExperimentId>> {
    let ids = sqlx::query_scalar!(
        "select distinct experiment_id from job where state = 'leased' and leased_until < now() order by experiment_id"
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(ExperimentId).collect())
}

/// Makes an experiment's jobs whose lease has expired ready again and records the lost attempts; the caller holds the experiment's row.
/// Their fence stays: who is only late may still finish.
pub async fn sweep(db: &mut PgConnection, experiment: ExperimentId) -> Result<Vec<Returned>> {
    let rows = sqlx::query_file_as!(ReturnedRow, "src/store/sql/lease/sweep.sql", experiment.0).fetch_all(db).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
