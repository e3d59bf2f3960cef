//! The loop of all experiments: looks at what is stored, does the next step, looks again. It holds no state of its own, so several
//! coordinators may run on one database and any of them may die at any time.

mod apply;
mod collect;
mod decide;
mod measure;
pub mod plan;
pub mod retry;
mod select;

use std::time::Duration;

use groklab_domain::{ExperimentId, ExperimentState, Fault, JobKind, Purpose, records::Event};
use sqlx::{PgConnection, postgres::PgListener};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    blobs::Blobs,
    error::{Error, Result, chain},
    nudge::Nudge,
    store::{self, Store, event, experiment, iteration, job, lease, metric},
};
use decide::{Phase, Snapshot, Step, decide};

/// How long the loop waits when nothing nudges it.
const TICK: Duration = Duration::from_millis(500);
/// Nudges that follow each other faster are taken together.
const LEAST: Duration = Duration::from_millis(20);
const AFTER_ERROR: Duration = Duration::from_secs(2);

/// The reconciler. Every pass is idempotent and takes no input.
#[derive(Debug, Clone)]
pub struct Scheduler {
    pub store: Store,
    pub blobs: Blobs,
    pub nudge: Nudge,
    /// Lost leases and infrastructure failures of one job before its experiment is paused.
    pub attempts: u32,
    pub lease: Duration,
}

impl Scheduler {
    /// Reconciles every experiment until `stop`.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut nudged = self.nudge.on_state();
        while !stop.is_cancelled() {
            nudged.mark_unchanged();
            let wait = match self.pass().await {
                Ok(()) => TICK,
                Err(error) => {
                    tracing::error!(error = chain(&error), "scheduler pass failed, trying again");
                    AFTER_ERROR
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                _ = nudged.changed() => tokio::time::sleep(LEAST).await,
            }
        }
        Ok(())
    }

    /// Takes back the leases of workers that have left, and expired ones, until `stop`. After a start no lease counts as expired for one
    /// lease's length, so that workers who outlived the coordinator can report before their jobs are given away; so it is after the
    /// database was away, for it was so for them too.
    pub async fn sweep(self, stop: CancellationToken) -> anyhow::Result<()> {
        let (mut wait, mut patient_until) = (TICK, Instant::now() + self.lease);
        while tokio::time::timeout(wait, stop.cancelled()).await.is_err() {
            wait = TICK;
            if let Err(error) = self.sweep_once(Instant::now() >= patient_until).await {
                tracing::error!(
                    error = chain(&error),
                    "sweep of leases failed, trying again"
                );
                wait = AFTER_ERROR;
                if matches!(error, Error::Busy { .. }) {
                    patient_until = Instant::now() + self.lease;
                }
            }
        }
        Ok(())
    }

    async fn sweep_once(&self, expired: bool) -> Result<()> {
        let mut connection = self.store.connection().await?;
        let ids = lease::lapsed(&mut connection, expired).await?;
        drop(connection);
        let mut outcome = Ok(());
        for id in ids {
            if let Err(error) = self.sweep_experiment(id, expired).await {
                tracing::error!(experiment.id = %id, error = chain(&error), "sweep failed");
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn sweep_experiment(&self, id: ExperimentId, expired: bool) -> Result<()> {
        let mut tx = self.store.begin().await?;
        // The experiment's row is locked before any job's, as everywhere. Whoever holds it now will not do so at the next look.
        if experiment::lock(&mut tx, id).await?.is_none() {
            return Ok(());
        }
        for claim in lease::left_behind(&mut tx, id).await? {
            if lease::give_up(&mut tx, claim, Fault::Released, "its worker has left")
                .await?
                .is_some()
            {
                tracing::info!(experiment.id = %id, job.id = %claim.job, worker.id = %claim.worker, "job of a worker that has left released");
            }
        }
        let lost = if expired {
            lease::sweep(&mut tx, id).await?
        } else {
            Vec::new()
        };
        for returned in lost {
            retry::after_return(&mut tx, &returned, self.attempts, "its lease expired").await?;
        }
        tx.commit().await?;
        self.nudge.all();
        Ok(())
    }

    /// One look at every unfinished experiment; an error in one does not keep the others waiting.
    async fn pass(&self) -> Result<()> {
        let mut connection = self.store.connection().await?;
        let ids = experiment::unfinished(&mut connection).await?;
        drop(connection);
        let mut outcome = Ok(());
        for id in ids {
            let span = tracing::info_span!("reconcile", experiment.id = %id);
            if let Err(error) = self.reconcile(id).instrument(span).await {
                tracing::error!(experiment.id = %id, error = chain(&error), "reconcile failed");
                // What is merely busy is tried again; anything else would fail for ever.
                outcome = if matches!(error, Error::Busy { .. }) {
                    Err(error)
                } else {
                    self.pause(id, &error).await
                };
            }
        }
        outcome
    }

    /// Takes steps until there is none, each in a transaction that holds the experiment's row.
    async fn reconcile(&self, id: ExperimentId) -> Result<()> {
        loop {
            let mut tx = self.store.begin().await?;
            let Some(experiment) = experiment::lock(&mut tx, id).await? else {
                return Ok(());
            };
            let Some(step) = decide(&snapshot(&mut tx, &experiment).await?) else {
                return Ok(());
            };
            self.apply(&mut tx, &experiment, step).await?;
            store::notify(&mut tx).await?;
            tx.commit().await?;
            tracing::info!(experiment.id = %id, iteration = experiment.iteration, step = ?step, "step done");
            self.nudge.all();
        }
    }

    /// Pauses an experiment whose next step failed, with the reason: a person mends its cause and resumes it.
    async fn pause(&self, id: ExperimentId, error: &Error) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let experiment = experiment::lock_wait(&mut tx, id).await?;
        if !matches!(
            experiment.state,
            ExperimentState::Queued | ExperimentState::Running
        ) {
            return Ok(());
        }
        let paused = Event::PausedByStep {
            iteration: experiment.iteration,
            reason: chain(error).replace('\0', "\\0"),
        };
        let reason = paused.reason();
        experiment::set_state(&mut tx, &experiment, ExperimentState::Paused, &reason).await?;
        event::insert(&mut tx, id, &paused).await?;
        store::notify(&mut tx).await?;
        tx.commit().await?;
        self.nudge.all();
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        experiment: &experiment::Experiment,
        step: Step,
    ) -> Result<()> {
        match step {
            Step::Start => apply::start(tx, experiment).await,
            Step::Plan => apply::plan(tx, experiment).await,
            Step::Measure => measure::measure(tx, experiment).await,
            Step::Select => select::select(tx, &self.blobs, experiment).await,
            Step::Train => apply::train(tx, experiment).await,
            Step::Close => apply::close(tx, experiment).await,
            Step::Skip => {
                experiment::set_iteration(tx, experiment.id, experiment.iteration + 1).await
            }
            Step::Complete => apply::complete(tx, experiment).await,
        }
    }
}

/// Whether the experiment's current iteration is evaluated.
fn due(experiment: &experiment::Experiment) -> Result<bool> {
    Ok(experiment.config()?.evaluates(experiment.iteration)
        || experiment.iteration >= experiment.last_iteration)
}

async fn snapshot(db: &mut PgConnection, experiment: &experiment::Experiment) -> Result<Snapshot> {
    let (id, i) = (experiment.id, experiment.iteration);
    let iteration = iteration::get(db, id, i).await?;
    let counts = job::count(db, id, i).await?;
    let phase = |belongs: fn(&job::Count) -> bool| {
        counts
            .iter()
            .filter(|count| belongs(count))
            .fold(Phase::default(), |phase, count| Phase {
                total: phase.total + count.total,
                open: phase.open + count.total - count.done,
            })
    };
    let measured = metric::lines(db, id, i, Some(1))
        .await?
        .first()
        .is_some_and(|(first, _)| *first == i);
    Ok(Snapshot {
        state: experiment.state,
        method: experiment.config()?.train.method,
        last: i >= experiment.last_iteration,
        due: due(experiment)?,
        planned: iteration.is_some(),
        evaluation: phase(|count| count.purpose == Purpose::Eval),
        rollouts: phase(|count| count.purpose == Purpose::Train && count.kind != JobKind::Train),
        training: phase(|count| count.kind == JobKind::Train),
        measured,
        stop: iteration
            .as_ref()
            .and_then(|it| it.stop_reason.as_deref())
            .is_some_and(|reason| !reason.is_empty()),
        selected: iteration.and_then(|it| it.selected),
    })
}

/// Passes what other coordinators say on to this one's loops, until `stop`. Losing the connection only lengthens waits.
pub async fn listen(store: Store, nudge: Nudge, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let heard = async {
            let mut listener = PgListener::connect_with(store.pool()).await?;
            listener.listen(store::CHANNEL).await?;
            loop {
                listener.recv().await?;
                nudge.all();
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            outcome = heard => {
                let outcome: Result<(), sqlx::Error> = outcome;
                if let Err(error) = outcome {
                    tracing::warn!(%error, "no notifications from the database, trying again");
                }
                tokio::time::sleep(AFTER_ERROR).await;
            }
        }
    }
    Ok(())
}
