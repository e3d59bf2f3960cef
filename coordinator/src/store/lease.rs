//! Claims on jobs. The database's clock decides expiry; every write names the fence it was given.

use std::{collections::HashMap, time::Duration};

use groklab_domain::{
    AttemptOutcome, ExperimentId, Fault, Fence, JobId, JobKind, PythonVersion, WorkerId,
    job::{Claim, ClaimStatus, Job, Waiting},
};
use sqlx::{PgConnection, postgres::types::PgInterval};
use uuid::Uuid;

use super::{
    attempt, ints,
    job::{Row, job_row},
    word,
};
use crate::error::{Error, Result};

/// A job that a worker says it works on.
#[derive(Debug, Clone, Copy)]
pub struct HeldJob {
    pub job: JobId,
    pub fence: Fence,
    pub units_done: u64,
    /// 0: as many as were planned.
    pub units_total: u64,
}

fn interval(duration: Duration) -> Result<PgInterval> {
    PgInterval::try_from(duration).map_err(|error| Error::Internal {
        what: "lease length".to_owned(),
        source: Some(error),
    })
}

/// A worker that asks for jobs.
#[derive(Debug, Clone, Copy)]
pub struct Capacity<'a> {
    pub worker: WorkerId,
    pub jobs: u32,
    /// What it works on already.
    pub held: &'a [JobId],
}

/// The running experiments that have ready jobs of a kind for workers with this version of Python,
/// oldest first.
pub async fn waiting(
    db: &mut PgConnection,
    kind: JobKind,
    python: Option<PythonVersion>,
    most: usize,
) -> Result<Vec<Waiting>> {
    let rows = sqlx::query_file!(
        "src/store/sql/lease/waiting.sql",
        kind.as_str(),
        // Counting further would read jobs that nobody has room for.
        i64::try_from(most).unwrap_or(i64::MAX),
        python.map(|python| python.to_string())
    )
    .fetch_all(db)
    .await?;
    let small = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(rows
        .into_iter()
        .map(|row| Waiting {
            experiment: ExperimentId(row.experiment_id),
            leased: small(row.leased),
            ready: small(row.ready),
        })
        .collect())
}

/// Claims so many ready jobs of each experiment, in the order they were made, one for each of
/// `workers`; fewer where somebody else was quicker.
pub async fn claim(
    db: &mut PgConnection,
    kind: JobKind,
    shares: &[(ExperimentId, u32)],
    workers: &[WorkerId],
    lease: Duration,
) -> Result<Vec<Job>> {
    let (experiments, jobs): (Vec<Uuid>, Vec<u32>) = shares
        .iter()
        .map(|(experiment, jobs)| (experiment.0, *jobs))
        .unzip();
    let workers: Vec<Uuid> = workers.iter().map(|worker| worker.0).collect();
    let rows = sqlx::query_file_as!(
        Row,
        "src/store/sql/lease/claim.sql",
        kind.as_str(),
        &experiments,
        &ints(&jobs),
        &workers,
        interval(lease)?
    );
    rows.fetch_all(db)
        .await?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
}

/// Jobs of running experiments that are leased to these workers and that they do not know of, at
/// most `capacity` each: the answer to a claim was lost. Their leases begin again.
pub async fn reissue(
    db: &mut PgConnection,
    kind: JobKind,
    capacities: &[Capacity<'_>],
    lease: Duration,
) -> Result<Vec<Job>> {
    let workers: Vec<Uuid> = capacities.iter().map(|asked| asked.worker.0).collect();
    let numbers: Vec<u32> = capacities.iter().map(|asked| asked.jobs).collect();
    // Flat pairs, for Postgres' arrays of arrays must be rectangular.
    let (mut holders, mut held) = (Vec::<Uuid>::new(), Vec::<Uuid>::new());
    for asked in capacities {
        for job in asked.held {
            holders.push(asked.worker.0);
            held.push(job.0);
        }
    }
    let rows = sqlx::query_file_as!(
        Row,
        "src/store/sql/lease/reissue.sql",
        &workers,
        &ints(&numbers),
        &holders,
        &held,
        interval(lease)?,
        kind.as_str()
    );
    rows.fetch_all(db)
        .await?
        .into_iter()
        .map(TryInto::try_into)
        .collect()
}

/// Extends the leases of `held`, also those that expired and that nobody else has claimed. Returns
/// the jobs to drop.
pub async fn extend(
    db: &mut PgConnection,
    worker: WorkerId,
    held: &[HeldJob],
    lease: Duration,
) -> Result<Vec<JobId>> {
    let jobs: Vec<Uuid> = held.iter().map(|held| held.job.0).collect();
    let fences: Vec<i64> = held.iter().map(|held| held.fence.0).collect();
    let units: Vec<i64> = held
        .iter()
        // A worker may send any number; what an i64 cannot hold turns negative and counts as 0.
        .map(|held| held.units_done.cast_signed().max(0))
        .collect();
    let totals: Vec<i64> = held
        .iter()
        .map(|held| held.units_total.cast_signed().max(0))
        .collect();
    let kept = sqlx::query_file_scalar!(
        "src/store/sql/lease/extend.sql",
        worker.0,
        &jobs,
        &fences,
        &units,
        &totals,
        interval(lease)?
    )
    .fetch_all(db)
    .await?;
    Ok(jobs
        .into_iter()
        // Whatever the statement did not keep: claimed by another, cancelled, split, or unknown.
        .filter(|job| !kept.contains(&Some(*job)))
        .map(JobId)
        .collect())
}

/// The claims' jobs and where each claim stands; the jobs' rows are held until the transaction
/// ends, locked in the order of their ids. The caller has locked their experiments' rows, where it
/// locks those. A claim on a job that is not there is `Missing`.
pub async fn claimed_jobs(
    db: &mut PgConnection,
    claims: &[Claim],
) -> Result<Vec<Result<(ClaimStatus, Job)>>> {
    let ids: Vec<Uuid> = claims.iter().map(|claim| claim.job.0).collect();
    let rows = sqlx::query!(
        "select job_id, experiment_id, iteration, purpose, kind, chunk, part, problems, \
            first_sample, samples, fence, worker_id, traceparent, state
         from job where job_id = any($1) order by job_id for no key update",
        &ids
    )
    .fetch_all(db)
    .await?;
    let mut jobs = HashMap::new();
    for row in rows {
        let state = word(&row.state)?;
        let job = Job::try_from(job_row!(row))?;
        jobs.insert(job.id, (state, job));
    }
    let mut claimed = Vec::with_capacity(claims.len());
    for &claim in claims {
        claimed.push(match jobs.get(&claim.job) {
            Some((state, job)) => {
                let status = ClaimStatus::of(claim, *state, job.fence, job.worker);
                Ok((status, job.clone()))
            }
            None => Err(Error::missing("job", claim.job)),
        });
    }
    Ok(claimed)
}

/// Marks jobs done after so many seconds of work, with their attempts. The caller holds the jobs'
/// rows and has seen that their claims stand; a late holder whom nobody has replaced may still
/// finish.
pub async fn complete(db: &mut PgConnection, done: &[(&Job, f64)]) -> Result<()> {
    let ids: Vec<Uuid> = done.iter().map(|(job, _)| job.id.0).collect();
    let fences: Vec<i64> = done.iter().map(|(job, _)| job.fence.0).collect();
    let seconds: Vec<f64> = done.iter().map(|(_, seconds)| *seconds).collect();
    let changed = sqlx::query_file!("src/store/sql/lease/complete.sql", &ids, &fences, &seconds)
        .execute(db)
        .await?
        .rows_affected();
    // The rows were locked when their claims were read, so anything else is a fault of ours.
    if changed == done.len() as u64 {
        Ok(())
    } else {
        Err(Error::broken(format!(
            "{changed} of {} held jobs completed",
            done.len()
        )))
    }
}

/// How many units a done job had, where that was not known before.
pub async fn set_units(db: &mut PgConnection, job: JobId, units: u64) -> Result<()> {
    sqlx::query!(
        "update job set units_done = $2, units_total = $2 where job_id = $1",
        job.0,
        units.cast_signed()
    )
    .execute(db)
    .await?;
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
    worker_id: Option<Uuid>,
    traceparent: String,
    losses: i32,
    failures: i32,
}

impl TryFrom<ReturnedRow> for Returned {
    type Error = Error;

    fn try_from(row: ReturnedRow) -> Result<Self> {
        let (losses, failures) = (row.losses.cast_unsigned(), row.failures.cast_unsigned());
        Ok(Self {
            job: job_row!(row).try_into()?,
            losses,
            failures,
        })
    }
}

/// Takes a job back from a worker that gave it up for `reason`; None where the claim no longer
/// stands. The caller holds the experiment's row. The job waits longer after every failure; a
/// released one does not wait, and nothing is counted against it.
pub async fn give_up(
    db: &mut PgConnection,
    claim: Claim,
    fault: Fault,
    reason: &str,
) -> Result<Option<Returned>> {
    let row = sqlx::query_file_as!(
        ReturnedRow,
        "src/store/sql/lease/give_up.sql",
        claim.job.0,
        claim.fence.0,
        claim.worker.0,
        // 0 adds nothing to the failures, and leaves the job no time to wait either.
        i32::from(fault != Fault::Released)
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    // Nothing was wrong with it: a release is no failed attempt.
    let outcome = if fault == Fault::Released {
        AttemptOutcome::Cancelled
    } else {
        AttemptOutcome::Failed
    };
    attempt::end(db, claim.job, claim.fence, outcome, reason).await?;
    row.try_into().map(Some)
}

/// Experiments that have leased jobs whose worker has left or, if `expired`, whose lease has
/// expired.
pub async fn lapsed(db: &mut PgConnection, expired: bool) -> Result<Vec<ExperimentId>> {
    let ids = sqlx::query_scalar!(
        // Without locks: each experiment is looked at again under its own.
        "select distinct experiment_id from job join worker using (worker_id)
         where job.state = 'leased' and (left_at is not null or ($1 and leased_until < now())) \
         order by experiment_id",
        expired
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(ExperimentId).collect())
}

/// An experiment's jobs that are leased to workers that have left: most were on their way when
/// their workers ended.
pub async fn left_behind(db: &mut PgConnection, experiment: ExperimentId) -> Result<Vec<Claim>> {
    let rows = sqlx::query!(
        r#"select worker_id as "worker_id!", job_id, fence from job join worker using (worker_id)
         where experiment_id = $1 and job.state = 'leased' and left_at is not null
         order by job_id"#,
        experiment.0
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Claim {
            worker: WorkerId(row.worker_id),
            job: JobId(row.job_id),
            fence: Fence(row.fence),
        })
        .collect())
}

/// Makes an experiment's jobs whose lease has expired ready again and records the lost attempts;
/// the caller holds the experiment's row. Their fence stays: who is only late may still finish.
pub async fn sweep(db: &mut PgConnection, experiment: ExperimentId) -> Result<Vec<Returned>> {
    let rows = sqlx::query_file_as!(ReturnedRow, "src/store/sql/lease/sweep.sql", experiment.0)
        .fetch_all(db)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
