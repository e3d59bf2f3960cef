//! Handing out work: registering workers, waiting for jobs without holding a connection, extending leases, taking jobs back.

use std::time::Duration;

use groklab_domain::{ExperimentState, Fault, JobId, WorkerId, records::Event};
use groklab_proto::{convert::Claim, limits::LEASE_POLL_SECONDS, v1};
use tokio::time::{Instant, timeout_at};

use super::{Service, claims::Wanted};
use crate::{
    error::{Error, Result},
    scheduler::retry,
    store::{
        event, experiment, job,
        lease::{self, Held},
        worker::{self, Registration},
    },
};

/// How long a waiting call goes without looking, should a nudge be missed or another coordinator make the job.
const LOOK: Duration = Duration::from_secs(2);
/// The longest reason that is kept, in bytes.
const LONGEST_REASON: usize = 4096;
/// What a leased job counts as in memory, which bounds how many are leased together: most are smaller, few as large as a message may be.
const LEASED_BYTES: usize = 512 << 10;

impl Service {
    pub async fn register_worker(&self, registration: &Registration) -> Result<()> {
        let mut db = self.store.connection().await?;
        worker::register(&mut db, registration).await?;
        tracing::info!(worker.id = %registration.worker, kind = %registration.kind, host = registration.host, "worker registered");
        Ok(())
    }

    pub async fn forget_worker(&self, worker: WorkerId) -> Result<()> {
        if worker::leave(&mut *self.store.connection().await?, worker).await? {
            tracing::info!(worker.id = %worker, "worker left");
        }
        Ok(())
    }

    /// Jobs for a worker: first those it was given and does not know of, then new ones. Waits for the first one for a while.
    pub async fn lease_jobs(&self, wanted: &Wanted) -> Result<Vec<v1::Job>> {
        let deadline = Instant::now() + Duration::from_secs(LEASE_POLL_SECONDS);
        loop {
            let nudged = self.nudge.on_work(wanted.kind);
            tokio::pin!(nudged);
            nudged.as_mut().enable();
            let jobs = self.claims[wanted.kind as usize]
                .ask(wanted.clone(), LEASED_BYTES * wanted.capacity as usize)
                .await?;
            for job in &jobs {
                tracing::info!(experiment.id = job.experiment_id, job.id = job.job_id, lease.fence = job.fence, worker.id = %wanted.worker, kind = %wanted.kind, "job leased");
            }
            let now = Instant::now();
            if !jobs.is_empty()
                || now >= deadline
                || wanted.capacity == 0
                || self.stop.is_cancelled()
            {
                return Ok(jobs);
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                // Either way it is time to look again.
                _ = timeout_at(deadline.min(now + LOOK), nudged) => {}
            }
        }
    }

    /// Extends leases; returns the jobs to drop.
    pub async fn extend_leases(&self, worker: WorkerId, held: &[Held]) -> Result<Vec<JobId>> {
        let mut db = self.store.connection().await?;
        worker::seen(&mut db, &[worker])
            .await?
            .remove(&worker)
            .ok_or_else(|| Error::missing("worker", worker))?;
        lease::extend(&mut db, worker, held, self.lease).await
    }

    /// Takes a job back. A released one is ready at once, an infrastructure failure is tried again after a while, a caller's ends the
    /// experiment with the reason.
    pub async fn fail_job(&self, claim: Claim, fault: Fault, reason: &str) -> Result<()> {
        let reason = &shorten(reason);
        let mut tx = self.store.begin().await?;
        // The experiment's row is locked before any job's, as everywhere.
        let experiment = job::experiment(&mut tx, claim.job).await?;
        let experiment = experiment::lock_wait(&mut tx, experiment).await?;
        let Some(returned) = lease::give_up(&mut tx, claim, fault, reason).await? else {
            // Somebody else has it, or it was cancelled.
            return Ok(());
        };
        match fault {
            Fault::Released => {
                tracing::info!(experiment.id = %returned.job.experiment, job.id = %claim.job, worker.id = %claim.worker, "job released")
            }
            Fault::Infrastructure => {
                retry::after_return(&mut tx, &returned, self.attempts, reason).await?
            }
            Fault::Caller => {
                if !experiment.state.is_final() {
                    experiment::set_state(&mut tx, &experiment, ExperimentState::Failed, reason)
                        .await?;
                    job::cancel(&mut tx, experiment.id, None).await?;
                    let failed = Event::Failed {
                        reason: reason.to_owned(),
                    };
                    event::insert(&mut tx, experiment.id, &failed).await?;
                }
            }
        }
        tx.commit().await?;
        self.nudge.all();
        Ok(())
    }
}

/// Of limited length and without NUL, which Postgres' text may not hold.
fn shorten(reason: &str) -> String {
    reason[..reason.floor_char_boundary(LONGEST_REASON)].replace('\0', "\\0")
}
