//! What follows when a job comes back undone: it waits and is tried again, is split, or pauses its
//! experiment with the reason. Nothing is ever left out quietly.

use groklab_domain::{
    ExperimentState,
    records::{Event, JobLabel},
};
use sqlx::PgConnection;

use crate::{
    error::Result,
    kinds,
    metrics::{Metrics, PauseReason},
    store::{event, experiment, job, lease::Returned},
};

/// Decides on a job that was lost or given up, in the transaction that took it back and holds the
/// experiment's row.
pub async fn after_return(
    db: &mut PgConnection,
    returned: &Returned,
    attempts: u32,
    reason: &str,
    metrics: &Metrics,
) -> Result<()> {
    let Returned {
        job,
        losses,
        failures,
    } = returned;
    let label = JobLabel {
        job: job.spec.kind,
        iteration: job.spec.iteration,
        purpose: job.spec.purpose,
        chunk: job.spec.chunk,
    };
    tracing::warn!(
        experiment.id = %job.experiment, job.id = %job.id, lease.fence = job.fence.0, losses,
        failures, reason, "job came back undone"
    );
    // Losses alone: a worker that could still say what failed was not taken along by a candidate.
    let splits = kinds::losses_before_split(job.spec.kind).is_some_and(|most| *losses >= most);
    if splits && job.spec.batch.len() > 1 {
        job::split(db, job).await?;
        let split = Event::JobSplit {
            job: label,
            losses: *losses,
        };
        // The parts are new rows with all their attempts before them, so nothing is paused here.
        return event::insert(db, job.experiment, &split).await;
    }
    let returned = Event::JobReturned {
        job: label,
        reason: reason.to_owned(),
    };
    event::insert(db, job.experiment, &returned).await?;
    if losses + failures < attempts {
        return Ok(());
    }
    let experiment = experiment::get(db, job.experiment).await?;
    // Paused or cancelled in the meantime: that reason is not overwritten.
    if experiment.state != ExperimentState::Running {
        return Ok(());
    }
    let paused = Event::PausedByJob {
        job: label,
        failures: losses + failures,
        reason: reason.to_owned(),
    };
    experiment::set_state(db, &experiment, ExperimentState::Paused, &paused.reason()).await?;
    metrics.experiment_paused(PauseReason::Attempts);
    event::insert(db, job.experiment, &paused).await
}
