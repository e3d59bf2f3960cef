//! Experiments and workers as clients see them: their rows and counts of jobs. Never scans
//! rollouts.

use std::{cmp::Reverse, time::Duration};

use groklab_domain::{
    ExperimentId, ExperimentState, JobKind,
    records::{ExperimentRecord, Footprint, Progress, WorkerRecord},
};
use sqlx::PgConnection;

use crate::{
    error::Result,
    store::{
        Store, deletion,
        experiment::{self, Experiment},
        iteration, job, worker,
    },
};

/// The shortest silence after which a worker counts as gone: a waiting one is noted every few
/// seconds.
const MIN_SILENCE: Duration = Duration::from_secs(10);

/// The experiment that a client means by an id, a unique beginning of one, or a name.
pub async fn resolve_experiment(store: &Store, name: &str) -> Result<ExperimentId> {
    let mut db = store.connection().await?;
    experiment::resolve(&mut db, name).await
}

/// What deleting an experiment takes along.
pub async fn footprint(store: &Store, id: ExperimentId) -> Result<Footprint> {
    deletion::footprint(&mut *store.connection().await?, id).await
}

/// Newest first, without progress, those that have all of these tags; no `state` means all.
pub async fn experiment_records(
    store: &Store,
    state: Option<ExperimentState>,
    tags: &[String],
) -> Result<Vec<ExperimentRecord>> {
    let mut db = store.connection().await?;
    let stored = experiment::list(&mut db, state, tags).await?;
    Ok(stored.into_iter().map(without_progress).collect())
}

/// An experiment with its progress.
pub async fn experiment_record(
    db: &mut PgConnection,
    id: ExperimentId,
) -> Result<ExperimentRecord> {
    let stored = experiment::get(db, id).await?;
    // Jobs of the current iteration alone: counting all would take longer with every iteration.
    let iteration = stored.iteration;
    let mut counts = job::count(db, id, iteration).await?;
    // An evaluation ends before training starts; within both, generate, verify and train follow
    // each other.
    counts.sort_by_key(|count| (Reverse(count.purpose), count.kind));
    let pace = iteration::pace(db, id).await?;
    let mut record = without_progress(stored);
    for count in &counts {
        record.progress.push(progress(iteration, count));
    }
    record.iteration_began_unix_ms = pace.began_unix_ms;
    record.seconds_per_iteration = pace.seconds_per_iteration;
    Ok(record)
}

fn without_progress(stored: Experiment) -> ExperimentRecord {
    let iterations = match stored.config() {
        Ok(config) => config.iterations,
        // Another version's configuration still has a last iteration.
        Err(_) => stored.last_iteration,
    };
    ExperimentRecord {
        experiment_id: stored.id,
        name: stored.name,
        state: stored.state,
        reason: stored.reason,
        iteration: stored.iteration,
        iterations,
        created_unix_ms: stored.created_unix_ms,
        updated_unix_ms: stored.updated_unix_ms,
        base_commit: stored.base_commit,
        python: stored.python,
        tags: stored.tags,
        parent: stored.parent,
        progress: Vec::new(),
        config_json: stored.config_json,
        iteration_began_unix_ms: 0,
        seconds_per_iteration: 0.0,
    }
}

fn progress(iteration: u32, count: &job::Count) -> Progress {
    // How many steps a training has is known once it has begun.
    let units_total = if count.kind == JobKind::Train {
        count.units_total.max(count.units_done)
    } else {
        count.units_total
    };
    Progress {
        iteration,
        kind: count.kind,
        purpose: count.purpose,
        jobs_done: count.done,
        jobs_total: count.total,
        jobs_leased: count.leased,
        units_done: count.units_done,
        units_total,
    }
}

/// The workers heard of within a day that have not left. One is alive while it has been silent for
/// less than a lease.
pub async fn worker_records(store: &Store, lease: Duration) -> Result<Vec<WorkerRecord>> {
    let mut db = store.connection().await?;
    worker::list(&mut db, lease.max(MIN_SILENCE)).await
}
