//! A worker as `workers` and `watch` show it.

use crate::{ExperimentId, JobId, JobKind, Purpose, WorkerId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRecord {
    pub worker_id: WorkerId,
    pub kind: JobKind,
    pub host: String,
    pub device: String,
    pub threads: u32,
    pub version: String,
    pub seen_unix_ms: i64,
    /// False once its last sign of life is older than a lease.
    pub alive: bool,
    /// One of the jobs it holds; `None`: it waits for work.
    pub job: Option<WorkerJob>,
}

/// What a worker works on, how far it is, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerJob {
    pub experiment_id: ExperimentId,
    pub job_id: JobId,
    /// The experiment's name.
    pub experiment: String,
    pub iteration: u32,
    pub purpose: Purpose,
    pub units_done: u64,
    /// 0: not known yet.
    pub units_total: u64,
    pub started_unix_ms: i64,
}
