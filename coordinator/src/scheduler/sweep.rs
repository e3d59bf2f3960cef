//! Takes back leases: those that expired, and those of workers that have left.

use groklab_domain::{AttemptOutcome, ExperimentId, Fault};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reconcile::{RECHECK_EVERY, RETRY_AFTER_ERROR, Scheduler};
use crate::{
    error::{Error, Result, chain},
    jobs::after_return,
    store::{experiment, lease},
};

impl Scheduler {
    /// Takes back the leases of workers that have left, and expired ones, until `stop`. After a
    /// start, and after the database was away, no lease counts as expired for one lease's length:
    /// workers could not report meanwhile, and those that still work get the time to.
    pub async fn sweep(self, stop: CancellationToken) -> anyhow::Result<()> {
        // The database's clock decides what has expired, but only this process knows for how long
        // nobody could report.
        let (mut wait, mut patient_until) = (RECHECK_EVERY, Instant::now() + self.lease);
        while tokio::time::timeout(wait, stop.cancelled()).await.is_err() {
            wait = RECHECK_EVERY;
            if let Err(error) = self.sweep_once(Instant::now() >= patient_until).await {
                tracing::error!(
                    error = chain(&error),
                    "sweep of leases failed, trying again"
                );
                wait = RETRY_AFTER_ERROR;
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
        // Each experiment takes one of its own below, and the pool is small.
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
        // The experiment's row is locked before any job's, as everywhere. While another transaction
        // holds it, the next sweep does this.
        if experiment::lock(&mut tx, id).await?.is_none() {
            return Ok(());
        }
        // First, as released: the sweep of expired leases would count them as lost.
        for claim in lease::left_behind(&mut tx, id).await? {
            if lease::give_up(&mut tx, claim, Fault::Released, "its worker has left")
                .await?
                .is_some()
            {
                tracing::info!(
                    experiment.id = %id, job.id = %claim.job, worker.id = %claim.worker,
                    "job of a worker that has left released"
                );
            }
        }
        let lost = if expired {
            lease::sweep(&mut tx, id).await?
        } else {
            Vec::new()
        };
        let mut lost_kinds = Vec::with_capacity(lost.len());
        for returned in lost {
            lost_kinds.push(returned.job.spec.kind);
            let reason = "its lease expired";
            after_return(&mut tx, &returned, self.attempts, reason, &self.metrics).await?;
        }
        tx.commit().await?;
        for kind in lost_kinds {
            self.metrics.attempt_ended(kind, AttemptOutcome::Lost);
        }
        self.nudge.all();
        Ok(())
    }
}
