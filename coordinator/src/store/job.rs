//! Jobs: made by the reconciler or by what came before them, counted by phase, ended. Claims are
//! next door, in `lease`.

use enum_map::EnumMap;
use groklab_domain::{
    ExperimentId, Fence, JobId, JobKind, Purpose, WorkerId,
    job::{Batch, Job, Spec},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{ints, uints, word};
use crate::error::{Error, Result};

pub(super) struct Row {
    pub job_id: Uuid,
    pub experiment_id: Uuid,
    pub iteration: i32,
    pub purpose: String,
    pub kind: String,
    pub chunk: i32,
    pub part: i32,
    pub problems: Vec<i32>,
    pub first_sample: i32,
    pub samples: i32,
    pub fence: i64,
    pub worker_id: Option<Uuid>,
    pub traceparent: String,
}

/// The job's part of a row that has more columns.
macro_rules! job_row {
    ($row:ident) => {
        crate::store::job::Row {
            job_id: $row.job_id,
            experiment_id: $row.experiment_id,
            iteration: $row.iteration,
            purpose: $row.purpose,
            kind: $row.kind,
            chunk: $row.chunk,
            part: $row.part,
            problems: $row.problems,
            first_sample: $row.first_sample,
            samples: $row.samples,
            fence: $row.fence,
            worker_id: $row.worker_id,
            traceparent: $row.traceparent,
        }
    };
}
pub(super) use job_row;

impl TryFrom<Row> for Job {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let batch = Batch {
            problems: uints(&row.problems),
            first_sample: row.first_sample.cast_unsigned(),
            samples: row.samples.cast_unsigned(),
        };
        let spec = Spec {
            iteration: row.iteration.cast_unsigned(),
            purpose: word(&row.purpose)?,
            kind: word(&row.kind)?,
            chunk: row.chunk.cast_unsigned(),
            part: row.part.cast_unsigned(),
            batch,
        };
        Ok(Self {
            id: JobId(row.job_id),
            experiment: ExperimentId(row.experiment_id),
            spec,
            fence: Fence(row.fence),
            worker: row.worker_id.map(WorkerId),
            traceparent: row.traceparent,
        })
    }
}

/// A job to be made.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    pub experiment: ExperimentId,
    pub spec: Spec,
    pub traceparent: &'a str,
}

/// Makes ready jobs; one that is there already stays as it is.
pub async fn insert(db: &mut PgConnection, jobs: &[NewJob<'_>]) -> Result<()> {
    let column = |number: fn(&Spec) -> u32| {
        ints(&jobs.iter().map(|new| number(&new.spec)).collect::<Vec<_>>())
    };
    let ids: Vec<Uuid> = jobs.iter().map(|_| JobId::new().0).collect();
    let experiments: Vec<Uuid> = jobs.iter().map(|new| new.experiment.0).collect();
    let purposes: Vec<&str> = jobs.iter().map(|new| new.spec.purpose.as_str()).collect();
    let kinds: Vec<&str> = jobs.iter().map(|new| new.spec.kind.as_str()).collect();
    // Postgres' arrays of arrays must be rectangular, and jobs differ in their numbers of problems:
    // so the lengths go beside the problems of all.
    let lengths = column(|spec| u32::try_from(spec.batch.problems.len()).unwrap_or(u32::MAX >> 1));
    let problems: Vec<i32> = jobs
        .iter()
        .flat_map(|new| ints(&new.spec.batch.problems))
        .collect();
    let units: Vec<i64> = jobs
        .iter()
        .map(|new| i64::try_from(new.spec.batch.len()).unwrap_or(i64::MAX))
        .collect();
    let traceparents: Vec<&str> = jobs.iter().map(|new| new.traceparent).collect();
    sqlx::query_file!(
        "src/store/sql/job/insert.sql",
        &ids,
        &experiments,
        &column(|spec| spec.iteration),
        &purposes as &[&str],
        &kinds as &[&str],
        &column(|spec| spec.chunk),
        &column(|spec| spec.part),
        &lengths,
        &problems,
        &column(|spec| spec.batch.first_sample),
        &column(|spec| spec.batch.samples),
        &units,
        &traceparents as &[&str]
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The experiment that a job belongs to, read without locking anything: who changes jobs locks
/// their experiment's row first.
pub async fn experiment(db: &mut PgConnection, job: JobId) -> Result<ExperimentId> {
    let id = sqlx::query_scalar!("select experiment_id from job where job_id = $1", job.0)
        .fetch_optional(db)
        .await?;
    id.map(ExperimentId)
        .ok_or_else(|| Error::missing("job", job))
}

/// How many jobs of one kind and purpose an iteration has.
#[derive(Debug, Clone)]
pub struct Count {
    pub kind: JobKind,
    pub purpose: Purpose,
    pub total: u32,
    pub done: u32,
    pub leased: u32,
    pub units_done: u64,
    pub units_total: u64,
}

/// Whether each of these experiments has a job that waits to be claimed: where one has none, a
/// phase that workers wait for may be over.
pub async fn all_have_ready(db: &mut PgConnection, experiments: &[ExperimentId]) -> Result<bool> {
    let ids: Vec<Uuid> = experiments.iter().map(|experiment| experiment.0).collect();
    let all = sqlx::query_scalar!(
        // `exists` stops at the first ready job, where a count would read them all at every
        // completion.
        r#"select coalesce(bool_and(exists(
                  select 1 from job where job.experiment_id = one.id and state = 'ready'
              )), true) as "all!"
           from unnest($1::uuid[]) as one (id)"#,
        &ids
    );
    Ok(all.fetch_one(db).await?)
}

/// Counts an iteration's jobs in one statement, so that a job and the one that follows it are never
/// both missed. Split and cancelled jobs are not counted, nor is the work of a lost attempt.
pub async fn count(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
) -> Result<Vec<Count>> {
    let rows = sqlx::query!(
        r#"select kind, purpose, count(*) as "total!",
                  count(*) filter (where state = 'done') as "done!",
                  count(*) filter (where state = 'leased') as "leased!",
                  coalesce(sum(case state when 'done' then units_total when 'leased' then units_done
                               else 0 end), 0)::bigint as "units_done!",
                  coalesce(sum(units_total), 0)::bigint as "units_total!"
           from job where experiment_id = $1 and iteration = $2
             and state not in ('split', 'cancelled')
           group by kind, purpose
           order by purpose, kind"#,
        experiment.0,
        iteration.cast_signed()
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let small = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
            Ok(Count {
                kind: word(&row.kind)?,
                purpose: word(&row.purpose)?,
                total: small(row.total),
                done: small(row.done),
                leased: small(row.leased),
                units_done: row.units_done.cast_unsigned(),
                units_total: row.units_total.cast_unsigned(),
            })
        })
        .collect()
}

/// Seconds of work by kind, of an iteration's done jobs of one purpose.
pub async fn seconds(
    db: &mut PgConnection,
    experiment: ExperimentId,
    iteration: u32,
    purpose: Purpose,
) -> Result<EnumMap<JobKind, f64>> {
    let rows = sqlx::query!(
        r#"select kind, sum(seconds) as "seconds!" from job
           where experiment_id = $1 and iteration = $2 and purpose = $3 and state = 'done'
           group by kind order by kind"#,
        experiment.0,
        iteration.cast_signed(),
        purpose.as_str()
    )
    .fetch_all(db)
    .await?;
    let mut seconds = EnumMap::default();
    for row in rows {
        seconds[word::<JobKind>(&row.kind)?] = row.seconds;
    }
    Ok(seconds)
}

/// Cancels what is ready or leased of an experiment; fences grow, so that no late result is taken.
/// With a purpose, only that.
pub async fn cancel(
    db: &mut PgConnection,
    experiment: ExperimentId,
    purpose: Option<Purpose>,
) -> Result<u64> {
    let done = sqlx::query!(
        // The attempt's row keeps the fence it was claimed with, so it is found by its being under
        // way.
        "with gone as (
             update job set state = 'cancelled', fence = fence + 1
             where job_id in (
                 select job_id from job
                 where experiment_id = $1 and state in ('ready', 'leased') and ($2::text is null \
                 or purpose = $2)
                 order by job_id for update)
             returning job_id, fence)
         update attempt set outcome = 'cancelled', ended_at = now() from gone
         where attempt.job_id = gone.job_id and attempt.outcome = 'running'",
        experiment.0,
        purpose.map(Purpose::as_str)
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Gives every unfinished job of an experiment its attempts again; one that is leased keeps its
/// lease.
pub async fn forgive(db: &mut PgConnection, experiment: ExperimentId) -> Result<()> {
    sqlx::query!(
        // Also those that wait after a failure: whoever resumes has mended the cause.
        "update job set losses = 0, failures = 0, not_before = now()
         where job_id in (select job_id from job where experiment_id = $1 and state in ('ready', \
         'leased') order by job_id for update)",
        experiment.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces a ready verify job by one job for each of its rollouts.
pub async fn split(db: &mut PgConnection, job: &Job) -> Result<()> {
    sqlx::query!(
        // The fence grows, so a late holder of the whole job is refused: its rollouts are judged in
        // parts.
        "update job set state = 'split', fence = fence + 1 where job_id = $1 and state = 'ready'",
        job.id.0
    )
    .execute(&mut *db)
    .await?;
    let mut parts = Vec::with_capacity(job.spec.batch.len());
    for spec in job.spec.split() {
        parts.push(NewJob {
            experiment: job.experiment,
            spec,
            traceparent: &job.traceparent,
        });
    }
    insert(db, &parts).await
}
