//! What is stored of an experiment's current iteration, as far as it decides anything.

use groklab_domain::{
    JobKind, Purpose,
    job::{Phase, Snapshot, StopDecision},
};
use sqlx::PgConnection;

use crate::{
    error::Result,
    store::{experiment::Experiment, iteration, job, metric},
};

/// Whether the experiment's current iteration is evaluated.
pub fn is_due(experiment: &Experiment) -> Result<bool> {
    Ok(experiment.config()?.evaluates(experiment.iteration)
        // Where stopping was decided, the last iteration is not the configured one.
        || experiment.iteration >= experiment.last_iteration)
}

pub async fn snapshot(db: &mut PgConnection, experiment: &Experiment) -> Result<Snapshot> {
    let (id, i) = (experiment.id, experiment.iteration);
    let iteration = iteration::get(db, id, i).await?;
    let (mut evaluation, mut rollouts, mut training) =
        (Phase::default(), Phase::default(), Phase::default());
    for count in job::count(db, id, i).await? {
        let phase = match (count.purpose, count.kind) {
            (Purpose::Eval, _) => &mut evaluation,
            // Both the rollouts to train on and the training itself have the purpose `train`.
            (Purpose::Train, JobKind::Train) => &mut training,
            (Purpose::Train, _) => &mut rollouts,
        };
        phase.total += count.total;
        // Generate and verify jobs are counted together. One statement counts them all, so a
        // generate job that is done and the verify job that follows it are seen at once: the phase
        // cannot look complete in between.
        phase.open += count.total - count.done;
    }
    // The first line from this iteration on is its own, or there is none yet.
    let measured = metric::lines(db, id, i, Some(1))
        .await?
        .first()
        .is_some_and(|(first, _)| *first == i);
    let settings = &experiment.config()?.train;
    let method = settings.method.method();
    Ok(Snapshot {
        state: experiment.state,
        trains: method.trains(),
        learns_from_evaluation: method.pool(settings).greedy,
        last: i >= experiment.last_iteration,
        due: is_due(experiment)?,
        planned: iteration.is_some(),
        evaluation,
        rollouts,
        training,
        measured,
        stop: iteration
            .as_ref()
            .and_then(|stored| stored.stop.as_ref())
            .is_some_and(StopDecision::stops),
        selected: iteration.and_then(|stored| stored.selected),
    })
}
