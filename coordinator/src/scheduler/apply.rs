//! The steps that make jobs or move an experiment on. Each runs in a transaction that holds the
//! experiment's row, and does nothing that a repeat of it could do twice.

use groklab_domain::{
    ExperimentState, JobKind, Purpose,
    job::{StopDecision, iteration_jobs, training_job},
    metrics::{IterationLine, IterationSeconds, RolloutCounts, Training},
    records::Event,
};
use groklab_runtime::trace;
use sqlx::PgConnection;

use super::{draw, snapshot::is_due};
use crate::{
    error::{Error, Result},
    store::{
        adapter::{self, Adapter},
        event,
        experiment::{self, Experiment},
        iteration,
        job::{self, NewJob},
        problem, verdict,
    },
};

const JOBS_PER_STATEMENT: usize = 1000;

pub async fn start(db: &mut PgConnection, experiment: &Experiment) -> Result<()> {
    experiment::set_state(db, experiment, ExperimentState::Running, "").await?;
    event::insert(db, experiment.id, &Event::Started).await
}

/// Makes the current iteration's generate jobs.
pub async fn plan(db: &mut PgConnection, experiment: &Experiment) -> Result<()> {
    let (i, config) = (experiment.iteration, experiment.config()?);
    let headings = problem::headings(db, experiment.id).await?;
    let mut evaluated = Vec::new();
    if is_due(experiment)? {
        evaluated.extend(headings.iter().map(|heading| heading.ordinal));
    }
    // Nothing is trained on the last iteration's rollouts, so none are made.
    let rolled_out = if i < experiment.last_iteration && config.train.method.method().trains() {
        draw::rolled_out(db, experiment, &headings).await?
    } else {
        Vec::new()
    };
    // All jobs of an iteration, on whatever machine, hang below the step that made them.
    let traceparent = trace::traceparent();
    iteration::insert(db, experiment.id, i).await?;
    let mut jobs = Vec::new();
    for spec in iteration_jobs(config, i, &evaluated, &rolled_out) {
        jobs.push(NewJob {
            experiment: experiment.id,
            spec,
            traceparent: &traceparent,
        });
    }
    for page in jobs.chunks(JOBS_PER_STATEMENT) {
        job::insert(db, page).await?;
    }
    event::insert(db, experiment.id, &Event::IterationBegan { iteration: i }).await
}

/// Makes the current iteration's training job.
pub async fn train(db: &mut PgConnection, experiment: &Experiment) -> Result<()> {
    let job = NewJob {
        experiment: experiment.id,
        spec: training_job(experiment.iteration),
        traceparent: &trace::traceparent(),
    };
    job::insert(db, &[job]).await
}

/// Stores the iteration's line and goes on to the next. Without training the adapter is carried
/// over.
pub async fn close(db: &mut PgConnection, experiment: &Experiment) -> Result<()> {
    let (id, i) = (experiment.id, experiment.iteration);
    let before = adapter::get(db, id, i).await?;
    // There already if training made one. Where iteration 0 starts from the untrained
    // model, there is nothing to carry over from it without training.
    let mut after = adapter::get(db, id, i + 1).await?;
    if after.is_none()
        && let Some(before) = before
    {
        // A row of its own, so that whoever asks for an iteration's adapter never looks further
        // back.
        let carried = Adapter {
            iteration: i + 1,
            trained: false,
            ..before
        };
        adapter::insert(db, id, &carried).await?;
        after = Some(carried);
    }
    let line = line(db, experiment, before, after).await?;
    let text = serde_json::to_string(&line)
        .map_err(|error| Error::internal("write an iteration's line", error))?;
    iteration::set_line(db, id, i, &text).await?;
    adapter::let_go(db, id, i, experiment.config()?.keep_checkpoints).await?;
    let ended = Event::IterationEnded {
        iteration: i,
        rollouts: line.rollouts.total,
        correct: line.rollouts.correct,
        examples: line.training.examples,
    };
    event::insert(db, id, &ended).await?;
    experiment::set_iteration(db, id, i + 1).await?;
    // After moving on: it may make the iteration that begins now the last one.
    stop_when_idle(db, experiment).await
}

async fn line(
    db: &mut PgConnection,
    experiment: &Experiment,
    before: Option<Adapter>,
    after: Option<Adapter>,
) -> Result<IterationLine> {
    let (id, i) = (experiment.id, experiment.iteration);
    let stored = iteration::get(db, id, i)
        .await?
        .ok_or_else(|| Error::broken(format!("iteration {i} has not begun")))?;
    let outcomes = verdict::outcomes(db, id, i, Purpose::Train).await?;
    let rollouts = RolloutCounts::of(
        outcomes.iter().map(|outcome| &outcome.verification),
        stored.selected.unwrap_or(0),
    )
    .map_err(|error| Error::internal("count rollouts", error))?;
    let losses = iteration::losses(db, id, i).await?;
    let (examples, tokens) = stored.trained.unwrap_or((0, 0));
    let seconds = job::seconds(db, id, i, Purpose::Train).await?;
    Ok(IterationLine {
        iteration: i,
        adapter_in: before.map(|adapter| adapter.adapter.id),
        adapter_out: after.map(|adapter| adapter.adapter.id),
        rollouts,
        training: Training {
            examples: examples.into(),
            tokens,
            steps: losses.len() as u64,
            first_loss: losses.first().copied(),
            last_loss: losses.last().copied(),
        },
        seconds: IterationSeconds {
            generate: seconds[JobKind::Generate],
            verify: seconds[JobKind::Verify],
            train: seconds[JobKind::Train],
        },
    })
}

/// Once `patience` iterations in a row had nothing to train on, makes the next one the last, which
/// is evaluated.
async fn stop_when_idle(db: &mut PgConnection, experiment: &Experiment) -> Result<()> {
    // `experiment` is as it was read: its iteration is the one that ends here.
    let (next, patience) = (experiment.iteration + 1, experiment.config()?.stop.patience);
    let idle = iteration::idle_streak(db, experiment.id, experiment.iteration).await?;
    if patience == 0 || idle < patience || next >= experiment.last_iteration {
        return Ok(());
    }
    let reason =
        format!("stopped early: nothing correct to train on in {idle} iterations in a row");
    experiment::set_last_iteration(db, experiment.id, next, &reason).await
}

/// Ends the experiment; what remains of its jobs is cancelled.
pub async fn complete(db: &mut PgConnection, experiment: &Experiment) -> Result<()> {
    let stored = iteration::get(db, experiment.id, experiment.iteration).await?;
    let reason = match stored.and_then(|stored| stored.stop) {
        Some(StopDecision::Stop(reason)) => reason,
        // Where it stopped for want of anything to train on, the reason was stored when the last
        // iteration was moved forward.
        _ => experiment.reason.clone(),
    };
    // Rollouts run beside the evaluation: when that decides to stop, some are still open.
    job::cancel(db, experiment.id, None).await?;
    experiment::set_state(db, experiment, ExperimentState::Completed, &reason).await?;
    let stopped_early = (!reason.is_empty()).then_some(reason);
    event::insert(db, experiment.id, &Event::Completed { stopped_early }).await
}
