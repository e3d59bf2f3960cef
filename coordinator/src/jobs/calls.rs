//! Handing out work: registering workers, waiting for jobs without holding a connection, extending
//! leases, taking results, taking jobs back.

use std::time::Duration;

use groklab_domain::{
    AttemptOutcome, ExperimentState, Fault, JobId, WorkerId, job::Claim, records::Event,
};
use groklab_proto::limits::LEASE_POLL_SECONDS;
use tokio::time::{Instant, timeout_at};

use super::{
    claims::LeaseRequest,
    completions::{Completion, Outcome},
    retry,
};
use crate::{
    error::{Error, Result},
    kinds::Assignment,
    service::Service,
    store::{
        event, experiment, job,
        lease::{self, HeldJob},
        worker::{self, Registration},
    },
};

/// How long a waiting call goes without looking, should a nudge be missed or another coordinator
/// make the job.
const RECHECK_EVERY: Duration = Duration::from_secs(2);
/// The longest reason that is kept.
const MAX_REASON_BYTES: usize = 4096;
/// What a leased job counts as in memory, which bounds how many are leased together: most are
/// smaller, few as large as a message may be.
const LEASED_JOB_BYTES: usize = 512 << 10;

impl Service {
    pub async fn register_worker(&self, registration: &Registration) -> Result<()> {
        let mut tx = self.store.begin().await?;
        worker::register(&mut tx, registration).await?;
        if let Some(python) = registration.python {
            // Said once, where people look when an experiment waits with a worker idle beside it.
            for (id, needed) in experiment::of_other_python(&mut tx, python).await? {
                let unfit = Event::WorkerUnfit {
                    host: registration.host.clone(),
                    python,
                    needed,
                };
                event::insert(&mut tx, id, &unfit).await?;
            }
        }
        tx.commit().await?;
        tracing::info!(
            worker.id = %registration.worker, kind = %registration.kind, host = registration.host,
            "worker registered"
        );
        Ok(())
    }

    pub async fn forget_worker(&self, worker: WorkerId) -> Result<()> {
        if worker::leave(&mut *self.store.connection().await?, worker).await? {
            tracing::info!(worker.id = %worker, "worker left");
        }
        Ok(())
    }

    /// Jobs for a worker: first those it was given and does not know of, then new ones. Waits for
    /// the first one for a while.
    pub async fn lease_jobs(&self, request: &LeaseRequest) -> Result<Vec<Assignment>> {
        let asked = Instant::now();
        let deadline = asked + Duration::from_secs(LEASE_POLL_SECONDS);
        loop {
            let nudged = self.nudge.on_work(request.kind);
            tokio::pin!(nudged);
            // This call joins the waiters before it looks for jobs, so that a job made while it
            // looks wakes it. If it leaves with jobs, its unused nudge goes to the next waiter.
            nudged.as_mut().enable();
            let jobs = self.claims[request.kind]
                .ask(
                    request.clone(),
                    LEASED_JOB_BYTES * request.capacity as usize,
                )
                .await?;
            for Assignment { job, .. } in &jobs {
                // From the call's arrival on, over all looks: it is how long the worker stood idle.
                self.metrics.lease_waited(request.kind, asked.elapsed());
                tracing::info!(
                    experiment.id = %job.experiment, job.id = %job.id, lease.fence = job.fence.0,
                    worker.id = %request.worker, kind = %request.kind, "job leased"
                );
            }
            let now = Instant::now();
            if !jobs.is_empty()
                || now >= deadline
                // A worker without room gets nothing, however long it waits.
                || request.capacity == 0
                || self.stop.is_cancelled()
            {
                return Ok(jobs);
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                // Either way it is time to look again.
                _ = timeout_at(deadline.min(now + RECHECK_EVERY), nudged) => {}
            }
        }
    }

    /// Extends leases; returns the jobs to drop.
    pub async fn extend_leases(&self, worker: WorkerId, held: &[HeldJob]) -> Result<Vec<JobId>> {
        let mut db = self.store.connection().await?;
        worker::seen(&mut db, &[worker])
            .await?
            // A worker that is missing here registers again, as after the database was restored.
            .remove(&worker)
            .ok_or_else(|| Error::missing("worker", worker))?;
        lease::extend(&mut db, worker, held, self.lease).await
    }

    /// Stores the results of a job; `message_bytes` is what they came in. False: the job has moved
    /// on and nothing was stored. Results that are not the job's are refused, and count as a failed
    /// attempt.
    pub async fn complete_job(&self, completion: Completion, message_bytes: usize) -> Result<bool> {
        let Completion { claim, seconds, .. } = completion;
        // It is summed into a line of the export, and JSON has no NaN.
        if !(seconds.is_finite() && seconds >= 0.0) {
            return Err(Error::Caller(format!("field `seconds` = {seconds}")));
        }
        match self.completions.ask(completion, message_bytes).await? {
            Outcome::Stored(experiment, kind) => {
                self.metrics.attempt_ended(kind, AttemptOutcome::Done);
                self.metrics.job_took(kind, seconds);
                tracing::info!(
                    experiment.id = %experiment, job.id = %claim.job, lease.fence = claim.fence.0,
                    worker.id = %claim.worker, %kind, seconds, "job done"
                );
                Ok(true)
            }
            Outcome::StoredBefore => Ok(true),
            Outcome::Stale => Ok(false),
            // In a transaction of its own: the one that refused it has stored other calls' results.
            Outcome::Refused(refusal) => {
                let reason = format!("results refused: {refusal}");
                self.fail_job(claim, Fault::Infrastructure, &reason).await?;
                Err(Error::Conflict(format!(
                    "results of job {} refused: {refusal}",
                    claim.job
                )))
            }
        }
    }

    /// Takes a job back. A released one is ready at once, an infrastructure failure is tried again
    /// after a while, a caller's ends the experiment with the reason.
    pub async fn fail_job(&self, claim: Claim, fault: Fault, reason: &str) -> Result<()> {
        // A reason may quote what a candidate printed or what a library said, so any bytes and any
        // length.
        let reason = &storable(reason);
        let mut tx = self.store.begin().await?;
        // The experiment's row is locked before any job's, as everywhere.
        // The job is read without a lock first, only to learn which row that is.
        let experiment = job::experiment(&mut tx, claim.job).await?;
        let experiment = experiment::lock_wait(&mut tx, experiment).await?;
        let Some(returned) = lease::give_up(&mut tx, claim, fault, reason).await? else {
            // Somebody else has it, or it was cancelled.
            return Ok(());
        };
        match fault {
            Fault::Released => {
                tracing::info!(
                    experiment.id = %returned.job.experiment, job.id = %claim.job,
                    worker.id = %claim.worker, "job released"
                )
            }
            Fault::Infrastructure => {
                retry::after_return(&mut tx, &returned, self.attempts, reason, &self.metrics)
                    .await?
            }
            Fault::Caller => {
                // Cancelled or failed by another job meanwhile: the first reason stays.
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
        let outcome = match fault {
            Fault::Released => AttemptOutcome::Cancelled,
            Fault::Infrastructure | Fault::Caller => AttemptOutcome::Failed,
        };
        // Counted after the commit: an attempt whose end was rolled back goes on.
        self.metrics.attempt_ended(returned.job.spec.kind, outcome);
        self.nudge.all();
        Ok(())
    }
}

/// Of limited length and without NUL, which Postgres' text may not hold.
fn storable(reason: &str) -> String {
    reason[..reason.floor_char_boundary(MAX_REASON_BYTES)].replace('\0', "\\0")
}
