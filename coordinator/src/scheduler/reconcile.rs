//! The reconciler: each pass looks at every unfinished experiment and takes the steps that are due.
//!
//! A pass takes no input. A nudge may begin it early, and says nothing about what has changed: a
//! loop that trusted such a hint would need a second path for the hints it missed.

use std::time::{Duration, Instant};

use groklab_domain::{
    ExperimentId, ExperimentState,
    job::{Step, decide},
    records::Event,
};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{apply, measure, select::Selection, snapshot::snapshot};
use crate::{
    blobs::Blobs,
    error::{Error, Result, chain},
    metrics::{Metrics, PauseReason},
    nudge::Nudge,
    store::{self, Store, event, experiment},
};

/// How long the loop waits when nothing nudges it.
pub(super) const RECHECK_EVERY: Duration = Duration::from_millis(500);
/// Nudges that follow each other faster are taken together.
const GATHER_NUDGES_FOR: Duration = Duration::from_millis(20);
pub(super) const RETRY_AFTER_ERROR: Duration = Duration::from_secs(2);

/// The reconciler. Every pass is idempotent and takes no input.
#[derive(Debug, Clone)]
pub struct Scheduler {
    pub store: Store,
    pub blobs: Blobs,
    pub nudge: Nudge,
    /// Lost leases and infrastructure failures of one job before its experiment is paused.
    pub attempts: u32,
    pub lease: Duration,
    pub metrics: Metrics,
}

impl Scheduler {
    /// Reconciles every experiment until `stop`.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut nudged = self.nudge.on_state();
        while !stop.is_cancelled() {
            // Before the pass, so that what changes during it begins another one.
            nudged.mark_unchanged();
            let wait = match self.pass().await {
                Ok(()) => RECHECK_EVERY,
                Err(error) => {
                    tracing::error!(error = chain(&error), "scheduler pass failed, trying again");
                    RETRY_AFTER_ERROR
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                _ = nudged.changed() => tokio::time::sleep(GATHER_NUDGES_FOR).await,
            }
        }
        Ok(())
    }

    /// One look at every unfinished experiment; an error in one does not keep the others waiting.
    async fn pass(&self) -> Result<()> {
        let mut connection = self.store.connection().await?;
        let ids = experiment::unfinished(&mut connection).await?;
        // Each step takes one of its own, and the pool is small.
        drop(connection);
        let mut outcome = Ok(());
        for id in ids {
            let span = tracing::info_span!("reconcile", experiment.id = %id);
            if let Err(error) = self.reconcile(id).instrument(span).await {
                // It was deleted after this pass began.
                if matches!(error, Error::Missing { .. }) {
                    continue;
                }
                tracing::error!(experiment.id = %id, error = chain(&error), "reconcile failed");
                // What is merely busy is tried again; anything else would fail for ever.
                let handled = if matches!(error, Error::Busy { .. }) {
                    Err(error)
                } else {
                    self.pause(id, &error).await
                };
                outcome = outcome.and(handled);
            }
        }
        outcome
    }

    /// Takes steps until there is none, each in a transaction that holds the experiment's row.
    async fn reconcile(&self, id: ExperimentId) -> Result<()> {
        let mut selection = None;
        loop {
            let started = Instant::now();
            let mut tx = self.store.begin().await?;
            let experiment = match &selection {
                // Another coordinator is at it, and this one has nothing to add.
                None => experiment::lock(&mut tx, id).await?,
                // With a selection prepared it is worth waiting for whoever holds the row.
                Some(_) => Some(experiment::lock_wait(&mut tx, id).await?),
            };
            let Some(experiment) = experiment else {
                return Ok(());
            };
            let Some(step) = decide(&snapshot(&mut tx, &experiment).await?) else {
                return Ok(());
            };
            if step == Step::Select && selection.is_none() {
                // The training set is written while nothing is locked: an object store may be slow.
                tx.rollback().await?;
                selection = Some(Selection::prepare(&self.store, &self.blobs, &experiment).await?);
                continue;
            }
            // A selection is kept where another step comes first, such as the end of the
            // evaluation.
            let prepared = selection.take_if(|_| step == Step::Select);
            self.apply(&mut tx, &experiment, step, prepared).await?;
            store::notify(&mut tx).await?;
            tx.commit().await?;
            self.metrics.step_took(started.elapsed());
            let iteration = experiment.iteration;
            tracing::info!(experiment.id = %id, iteration, step = ?step, "step done");
            self.nudge.all();
        }
    }

    /// Pauses an experiment whose next step failed, with the reason: a person mends its cause and
    /// resumes it.
    async fn pause(&self, id: ExperimentId, error: &Error) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let experiment = match experiment::lock_wait(&mut tx, id).await {
            Err(Error::Missing { .. }) => return Ok(()),
            found => found?,
        };
        if !matches!(
            experiment.state,
            ExperimentState::Queued | ExperimentState::Running
        ) {
            return Ok(());
        }
        let paused = Event::PausedByStep {
            iteration: experiment.iteration,
            // A library's message may hold NUL, which Postgres' text may not.
            reason: chain(error).replace('\0', "\\0"),
        };
        let reason = paused.reason();
        experiment::set_state(&mut tx, &experiment, ExperimentState::Paused, &reason).await?;
        event::insert(&mut tx, id, &paused).await?;
        store::notify(&mut tx).await?;
        tx.commit().await?;
        self.metrics.experiment_paused(PauseReason::Step);
        self.nudge.all();
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        experiment: &experiment::Experiment,
        step: Step,
        selection: Option<Selection>,
    ) -> Result<()> {
        match step {
            Step::Start => apply::start(tx, experiment).await,
            Step::Plan => apply::plan(tx, experiment).await,
            Step::Measure => measure::measure(tx, experiment).await,
            Step::Select => match selection {
                Some(selection) => selection.store(tx, experiment).await,
                None => Err(Error::broken("a selection that was not prepared")),
            },
            Step::Train => apply::train(tx, experiment).await,
            Step::Close => apply::close(tx, experiment).await,
            Step::Skip => {
                experiment::set_iteration(tx, experiment.id, experiment.iteration + 1).await
            }
            Step::Complete => apply::complete(tx, experiment).await,
        }
    }
}
