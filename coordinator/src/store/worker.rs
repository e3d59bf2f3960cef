//! Workers: who registered, and when each was last heard of.

use std::{collections::HashMap, time::Duration};

use groklab_domain::{
    ExperimentId, JobId, JobKind, PythonVersion, WorkerId,
    records::{WorkerJob, WorkerRecord},
};
use sqlx::{PgConnection, postgres::types::PgInterval};
use uuid::Uuid;

use super::{optional_word, word};
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
    /// Of a verification worker.
    pub python: Option<PythonVersion>,
}

/// What decides on the jobs that a worker may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub kind: JobKind,
    pub python: Option<PythonVersion>,
}

/// Registers a worker, or again with what has changed.
pub async fn register(db: &mut PgConnection, worker: &Registration) -> Result<()> {
    sqlx::query!(
        // One that left and registers again is back: its leases are no longer given away.
        "insert into worker (worker_id, kind, host, device, threads, version, python)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (worker_id) do update set
             kind = excluded.kind, host = excluded.host, device = excluded.device,
             threads = excluded.threads, version = excluded.version, python = excluded.python,
             seen_at = now(), left_at = null",
        worker.worker.0,
        worker.kind.as_str(),
        worker.host,
        worker.device,
        worker.threads.cast_signed(),
        worker.version,
        worker.python.map(|python| python.to_string())
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that a worker has ended; what is still leased to it is given back by the next sweep. False
/// where it was not known.
pub async fn leave(db: &mut PgConnection, worker: WorkerId) -> Result<bool> {
    let left = sqlx::query!(
        "update worker set left_at = now() where worker_id = $1",
        worker.0
    )
    .execute(db)
    .await?;
    Ok(left.rows_affected() > 0)
}

/// Notes signs of life, every few seconds: a call that writes nothing else need not write. Returns
/// those that have registered and not left.
pub async fn seen(db: &mut PgConnection, workers: &[WorkerId]) -> Result<HashMap<WorkerId, Known>> {
    let ids: Vec<Uuid> = workers.iter().map(|worker| worker.0).collect();
    let rows = sqlx::query_file!("src/store/sql/worker/seen.sql", &ids)
        .fetch_all(db)
        .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in rows {
        let worker = Known {
            kind: word(&row.kind)?,
            python: optional_word(row.python.as_deref())?,
        };
        known.insert(WorkerId(row.worker_id), worker);
    }
    Ok(known)
}

/// Workers heard of within a day that have not left, by kind and host. One is alive if it was heard
/// of within `silence`.
pub async fn list(db: &mut PgConnection, silence: Duration) -> Result<Vec<WorkerRecord>> {
    let silence = PgInterval::try_from(silence).map_err(|error| Error::Internal {
        what: "lease length".to_owned(),
        source: Some(error),
    })?;
    let rows = sqlx::query_file!("src/store/sql/worker/list.sql", silence)
        .fetch_all(db)
        .await?;
    let mut workers = Vec::with_capacity(rows.len());
    for row in rows {
        let mut job = None;
        if let Some((experiment, id)) = row.experiment_id.zip(row.job_id) {
            // The columns of a job that is held are all there.
            job = Some(WorkerJob {
                experiment_id: ExperimentId(experiment),
                job_id: JobId(id),
                experiment: row.name.unwrap_or_default(),
                iteration: row.iteration.unwrap_or_default().cast_unsigned(),
                purpose: word(&row.purpose.unwrap_or_default())?,
                units_done: row.units_done.unwrap_or_default().cast_unsigned(),
                units_total: row.units_total.unwrap_or_default().cast_unsigned(),
                started_unix_ms: row.started_unix_ms.unwrap_or_default(),
            });
        }
        workers.push(WorkerRecord {
            worker_id: WorkerId(row.worker_id),
            kind: word(&row.kind)?,
            host: row.host,
            device: row.device,
            threads: row.threads.cast_unsigned(),
            version: row.version,
            seen_unix_ms: row.seen_unix_ms,
            alive: row.alive,
            job,
        });
    }
    Ok(workers)
}
