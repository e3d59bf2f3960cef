//! Workers: who registered, and when each was last heard of.

use std::time::Duration;

use groklab_domain::{ExperimentId, JobId, JobKind, WorkerId};
use sqlx::{PgConnection, postgres::types::PgInterval};

use super::word;
use crate::error::{Error, Result};

/// What a worker says of itself.
#[derive(Debug, Clone)]
pub struct Registration {
    pub worker: WorkerId,
    pub kind: JobKind,
    pub host: String,
    pub device: String,
    pub threads: u32,
    pub version: String,
}

/// A worker and what it does.
#[derive(Debug, Clone)]
pub struct Worker {
    pub registration: Registration,
    pub seen_unix_ms: i64,
    pub alive: bool,
    /// One of the jobs it holds.
    pub job: Option<(ExperimentId, JobId)>,
}

/// Registers a worker, or again with what has changed.
pub async fn register(db: &mut PgConnection, worker: &Registration) -> Result<()> {
    sqlx::query!(
        "insert into worker (worker_id, kind, host, device, threads, version) values ($1, $2, $3, $4, $5, $6)
         on conflict (worker_id) do update set kind = excluded.kind, host = excluded.host, device = excluded.device,
             threads = excluded.threads, version = excluded.version, seen_at = now()",
        worker.worker.0,
        worker.kind.as_str(),
        worker.host,
        worker.device,
        worker.threads.cast_signed(),
        worker.version
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes a sign of life. `Missing` where the worker never registered.
pub async fn seen(db: &mut PgConnection, worker: WorkerId) -> Result<JobKind> {
    let kind =
        sqlx::query_scalar!("update worker set seen_at = now() where worker_id = $1 returning kind", worker.0).fetch_optional(db).await?;
    word(&kind.ok_or_else(|| Error::missing("worker", worker))?)
}

/// Workers heard of within a day, by kind and host. One is alive if it was heard of within `silence`.
pub async fn list(db: &mut PgConnection, silence: Duration) -> Result<Vec<Worker>> {
    let silence =
        PgInterval::try_from(silence).map_err(|error| Error::Internal { what: "lease length".to_owned(), source: Some(error) })?;
    let rows = sqlx::query!(
        r#"select w.worker_id, w.kind, w.host, w.device, w.threads, w.version,
                  (extract(epoch from w.seen_at) * 1000)::bigint as "seen_unix_ms!", w.seen_at > now() - $1::interval as "alive!",
                  held.experiment_id as "experiment_id?", held.job_id as "job_id?"
           from worker w
           left join lateral (select experiment_id, job_id from job where job.worker_id = w.worker_id and state = 'leased'
                              order by rank limit 1) held on true
           where w.seen_at > now() - interval '1 day' order by w.kind, w.host, w.worker_id"#,
        silence
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Worker {
                registration: Registration {
                    worker: WorkerId(row.worker_id),
                    kind: word(&row.kind)?,
                    host: row.host,
                    device: row.device,
                    threads: row.threads.cast_unsigned(),
                    version: row.version,
                },
                seen_unix_ms: row.seen_unix_ms,
                alive: row.alive,
                job: row.experiment_id.zip(row.job_id).map(|(experiment, job)| (ExperimentId(experiment), JobId(job))),
            })
        })
        .collect()
}
