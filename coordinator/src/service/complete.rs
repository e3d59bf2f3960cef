//! Taking a job's results: fence first, then the results, then what follows from them, all in one transaction.

use groklab_domain::{Digest, Fault, JobKind};
use groklab_proto::{
    convert::Claim,
    v1::{self, complete_request::Result as Wire},
};
use sqlx::PgConnection;

use super::{Service, results};
use crate::{
    error::{Error, Result},
    store::{
        adapter::{self, Adapter},
        artifact, experiment, iteration,
        job::{self, Job, Spec},
        lease::{self, Completion},
        rollout, verdict,
    },
};

/// Why results were not stored.
enum Refusal {
    /// They are not this job's; the attempt has failed.
    Results(String),
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Service {
    /// Stores the results of a job. False: the job has moved on and nothing was stored. Results that are not the job's are refused,
    /// and count as a failed attempt.
    pub async fn complete_job(&self, claim: Claim, request: v1::CompleteRequest) -> Result<bool> {
        if !(request.seconds.is_finite() && request.seconds >= 0.0) {
            return Err(Error::Caller(format!("field `seconds` = {}", request.seconds)));
        }
        let mut tx = self.store.begin().await?;
        // Whoever may write the experiment's row locks it before any job's.
        let experiment = job::experiment(&mut tx, claim.job).await?;
        experiment::lock_unless_base_fixed(&mut tx, experiment).await?;
        let job = match lease::complete(&mut tx, claim, request.seconds).await? {
            Completion::Won(job) => job,
            Completion::Repeated => return Ok(true),
            Completion::Stale => return Ok(false),
        };
        match store_results(&mut tx, &job, request.result).await {
            Ok(()) => {}
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Results(why)) => {
                tx.rollback().await?;
                self.fail_job(claim, Fault::Infrastructure, &format!("results refused: {why}")).await?;
                return Err(Error::Conflict(format!("results of job {} refused: {why}", claim.job)));
            }
        }
        let more = job::any_ready(&mut tx, job.experiment).await?;
        tx.commit().await?;
        tracing::info!(experiment.id = %job.experiment, job.id = %job.id, lease.fence = job.fence.0, worker.id = %claim.worker,
            kind = %job.spec.kind, seconds = request.seconds, "job done");
        // While there is work to hand out, the loop may look by its own clock: to look is to count all jobs of an iteration.
        if job.spec.kind == JobKind::Generate {
            self.nudge.work(JobKind::Verify);
        }
        if !more {
            self.nudge.state();
        }
        Ok(true)
    }
}

async fn store_results(db: &mut PgConnection, job: &Job, result: Option<Wire>) -> Result<(), Refusal> {
    match (job.spec.kind, result) {
        (JobKind::Generate, Some(Wire::Generate(result))) => generated(db, job, result).await,
        (JobKind::Verify, Some(Wire::Verify(result))) => judged(db, job, result).await,
        (JobKind::Train, Some(Wire::Train(result))) => trained(db, job, result).await,
        (kind, _) => Err(Refusal::Results(format!("not the results of a {kind} job"))),
    }
}

/// Stores rollouts and makes the one job that verifies them.
async fn generated(db: &mut PgConnection, job: &Job, result: v1::GenerateResult) -> Result<(), Refusal> {
    let experiment = experiment::get(db, job.experiment).await?;
    let adapter = adapter::get(db, job.experiment, job.spec.iteration).await?.map(|adapter| adapter.adapter.id);
    let (base, rollouts) = results::generated(result, &job.spec.batch, adapter, &experiment.config).map_err(Refusal::Results)?;
    same_base(db, job, base).await?;
    rollout::insert(db, job, &rollouts).await?;
    let next = Spec { kind: JobKind::Verify, ..job.spec.clone() };
    Ok(job::insert(db, job.experiment, &next, &job.traceparent).await?)
}

async fn judged(db: &mut PgConnection, job: &Job, result: v1::VerifyResult) -> Result<(), Refusal> {
    let experiment = experiment::get(db, job.experiment).await?;
    let written = rollout::written(db, job.experiment, job.spec.iteration, job.spec.purpose, &job.spec.batch).await?;
    let judged = results::judged(result, &job.spec.batch, &written, &experiment.config).map_err(Refusal::Results)?;
    Ok(verdict::insert(db, job.id, &judged).await?)
}

/// Stores the next iteration's adapter, whose files must be there already.
async fn trained(db: &mut PgConnection, job: &Job, result: v1::TrainResult) -> Result<(), Refusal> {
    let (id, i) = (job.experiment, job.spec.iteration);
    let selected = iteration::get(db, id, i).await?.and_then(|it| it.selected).unwrap_or(0);
    let trained = results::trained(result, selected).map_err(Refusal::Results)?;
    for digest in [Some(trained.adapter.config), Some(trained.adapter.weights), trained.optimiser].into_iter().flatten() {
        if artifact::size(db, digest).await?.is_none() {
            return Err(Refusal::Results(format!("artifact {digest} is not stored")));
        }
    }
    same_base(db, job, trained.base).await?;
    let next = Adapter { iteration: i + 1, adapter: trained.adapter, optimiser: trained.optimiser, trained: true };
    adapter::insert(db, id, &next).await?;
    iteration::insert_steps(db, id, i, &trained.steps).await?;
    iteration::set_trained(db, id, i, trained.examples, trained.tokens).await?;
    Ok(lease::set_units(db, job.id, trained.steps.len() as u64).await?)
}

/// The first result of an experiment fixes the base model; no other is taken after it.
async fn same_base(db: &mut PgConnection, job: &Job, base: Digest) -> Result<(), Refusal> {
    let fixed = experiment::fix_base_digest(db, job.experiment, base).await?;
    if fixed == base {
        return Ok(());
    }
    Err(Refusal::Results(format!("made with base model {base}, the experiment's is {fixed}")))
}
