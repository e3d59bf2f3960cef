//! Experiments as clients see them: their row and the counts of their current iteration's jobs. Never scans rollouts.

use groklab_domain::{ExperimentId, JobKind};
use groklab_proto::v1;
use sqlx::PgConnection;

use crate::{
    error::Result,
    store::{
        experiment::{self, Experiment},
        iteration,
        job::{self, Count},
    },
};

/// An experiment with its progress.
pub async fn load(db: &mut PgConnection, id: ExperimentId) -> Result<v1::Experiment> {
    let experiment = experiment::get(db, id).await?;
    let mut counts = job::count(db, id, experiment.iteration).await?;
    // An evaluation ends before training starts; within both, generate, verify and train follow each other.
    counts.sort_by_key(|count| (std::cmp::Reverse(count.purpose), count.kind));
    let progress = counts
        .iter()
        .map(|count| progress(experiment.iteration, count))
        .collect();
    let pace = iteration::pace(db, id).await?;
    Ok(v1::Experiment {
        progress,
        iteration_began_unix_ms: pace.began_unix_ms,
        seconds_per_iteration: pace.seconds_per_iteration,
        ..without_progress(experiment)
    })
}

pub fn without_progress(experiment: Experiment) -> v1::Experiment {
    let iterations = experiment
        .config()
        .map_or(experiment.last_iteration, |config| config.iterations);
    v1::Experiment {
        experiment_id: experiment.id.to_string(),
        name: experiment.name,
        state: experiment.state.to_string(),
        reason: experiment.reason,
        iteration: experiment.iteration,
        iterations,
        created_unix_ms: experiment.created_unix_ms,
        updated_unix_ms: experiment.updated_unix_ms,
        progress: Vec::new(),
        config_json: experiment.config_json,
        ..v1::Experiment::default()
    }
}

fn progress(iteration: u32, count: &Count) -> v1::Progress {
    // How many steps a training has is known once it has begun.
    let units_total = if count.kind == JobKind::Train {
        count.units_total.max(count.units_done)
    } else {
        count.units_total
    };
    v1::Progress {
        iteration,
        kind: count.kind.to_string(),
        purpose: count.purpose.to_string(),
        jobs_done: count.done,
        jobs_total: count.total,
        jobs_leased: count.leased,
        units_done: count.units_done,
        units_total,
    }
}
