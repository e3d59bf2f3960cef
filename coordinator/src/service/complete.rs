//! Taking jobs' results: fence first, then the results, then what follows from them, for all calls that wait in one transaction. Results
//! are checked before anything is written, so that refusing some leaves the others alone.

use std::collections::HashMap;

use groklab_domain::{
    Digest, ExperimentId, Fault, JobId, JobKind, experiment::Experiment as Config,
};
use groklab_proto::{
    convert::{AdapterRef, Claim},
    v1::{self, complete_request::Result as Wire},
};
use prost::Message as _;
use sqlx::PgConnection;

use super::{
    Service,
    group_commit::Commit,
    results::{self, Refused, Trained},
};
use crate::{
    error::{Error, Result},
    nudge::Nudge,
    store::{
        Store,
        adapter::{self, Adapter},
        artifact,
        experiment::{self, Experiment},
        iteration,
        job::{self, Job, New, Spec},
        lease::{self, Standing},
        rollout::{self, Rollout},
        verdict::{self, Judged},
    },
};

/// A worker that is done with a job.
#[derive(Debug)]
pub struct Done {
    claim: Claim,
    /// The work's own time.
    seconds: f64,
    result: Option<Wire>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Taken {
    /// Stored by this call, for a job of this experiment and kind.
    Stored(ExperimentId, JobKind),
    /// Stored by an earlier call of the same attempt.
    Repeated,
    /// The job has moved on and nothing was stored.
    Stale,
    /// They are not this job's results: nothing was stored.
    Refused(Refused),
}

impl Service {
    /// Stores the results of a job. False: the job has moved on and nothing was stored. Results that are not the job's are refused,
    /// and count as a failed attempt.
    pub async fn complete_job(&self, claim: Claim, request: v1::CompleteRequest) -> Result<bool> {
        if !(request.seconds.is_finite() && request.seconds >= 0.0) {
            return Err(Error::Caller(format!(
                "field `seconds` = {}",
                request.seconds
            )));
        }
        let bytes = request.encoded_len();
        let seconds = request.seconds;
        match self
            .completions
            .ask(
                Done {
                    claim,
                    seconds,
                    result: request.result,
                },
                bytes,
            )
            .await?
        {
            Taken::Stored(experiment, kind) => {
                tracing::info!(experiment.id = %experiment, job.id = %claim.job, lease.fence = claim.fence.0, worker.id = %claim.worker,
                    %kind, seconds, "job done");
                Ok(true)
            }
            Taken::Repeated => Ok(true),
            Taken::Stale => Ok(false),
            Taken::Refused(why) => {
                self.fail_job(
                    claim,
                    Fault::Infrastructure,
                    &format!("results refused: {why}"),
                )
                .await?;
                Err(Error::Conflict(format!(
                    "results of job {} refused: {why}",
                    claim.job
                )))
            }
        }
    }
}

/// Takes results.
#[derive(Debug)]
pub struct Completions {
    pub store: Store,
    pub nudge: Nudge,
}

impl Commit for Completions {
    type Call = Done;
    type Answer = Taken;

    async fn commit(&self, calls: &[Done]) -> Result<Vec<Result<Taken>>> {
        let claims: Vec<Claim> = calls.iter().map(|call| call.claim).collect();
        let mut tx = self.store.begin().await?;
        let experiments = experiments(&mut tx, &claims).await?;
        let ids: Vec<ExperimentId> = experiments.keys().copied().collect();
        let standings = lease::standings(&mut tx, &claims).await?;
        let mut held: Vec<(usize, Job, &Done)> = Vec::new();
        let mut again: Vec<(usize, usize)> = Vec::new();
        let mut answers: Vec<Result<Taken>> = Vec::with_capacity(calls.len());
        for (place, standing) in standings.into_iter().enumerate() {
            answers.push(standing.map(|standing| match standing {
                Standing::Holds(job) => {
                    let stored = Taken::Stored(job.experiment, job.spec.kind);
                    match held.iter().find(|(_, other, _)| other.id == job.id) {
                        // Sent twice at once, for its connection broke.
                        Some((first, ..)) => again.push((place, *first)),
                        None => held.push((place, *job, &calls[place])),
                    }
                    stored
                }
                Standing::Done => Taken::Repeated,
                Standing::Stale => Taken::Stale,
            }));
        }
        let mut check =
            Check::read(&mut tx, experiments, held.iter().map(|(_, job, _)| job)).await?;
        let mut accepted = Accepted::default();
        for (place, job, call) in &held {
            match check.results(&mut tx, job, call.result.clone()).await? {
                Ok(checked) => accepted.add(job, call.seconds, checked),
                Err(why) => answers[*place] = Ok(Taken::Refused(why)),
            }
        }
        accepted.store(&mut tx, &check.fixed).await?;
        let more = job::all_have_ready(&mut tx, &ids).await?;
        tx.commit().await?;
        self.tell(&accepted, more);
        for (place, first) in again {
            answers[place] = Ok(match &answers[first] {
                Ok(Taken::Refused(why)) => Taken::Refused(why.clone()),
                _ => Taken::Repeated,
            });
        }
        Ok(answers)
    }
}

/// The jobs' experiments. Whoever may write an experiment's row locks it before any job's; here that is where its base model's digest is
/// not fixed yet.
async fn experiments(
    db: &mut PgConnection,
    claims: &[Claim],
) -> Result<HashMap<ExperimentId, Experiment>> {
    let mut experiments = experiment::of_jobs(
        db,
        &claims.iter().map(|claim| claim.job).collect::<Vec<_>>(),
    )
    .await?;
    let open: Vec<ExperimentId> = experiments
        .values()
        .filter(|one| one.base_digest.is_none())
        .map(|one| one.id)
        .collect();
    if !open.is_empty() {
        experiments.extend(experiment::lock_all(db, &open).await?);
    }
    Ok(experiments)
}

impl Completions {
    fn tell(&self, accepted: &Accepted<'_>, more: bool) {
        accepted
            .generated
            .iter()
            .for_each(|_| self.nudge.work(JobKind::Verify));
        // While there is work to hand out, the loop may look by its own clock: to look is to count all jobs of an iteration.
        if !more && !accepted.done.is_empty() {
            self.nudge.state();
        }
    }
}

/// Results that are the job's.
enum Checked {
    Generated(Vec<Rollout>),
    Judged(Vec<Judged>),
    Trained(Trained),
}

/// What results are checked against, read once for all of them.
struct Check {
    experiments: HashMap<ExperimentId, Experiment>,
    adapters: HashMap<(ExperimentId, u32), AdapterRef>,
    /// The ids of the rollouts that are judged, in order.
    rollouts: HashMap<JobId, Vec<i64>>,
    /// Base models' digests that these results fix.
    fixed: Vec<(ExperimentId, Digest)>,
}

impl Check {
    async fn read(
        db: &mut PgConnection,
        experiments: HashMap<ExperimentId, Experiment>,
        jobs: impl Iterator<Item = &Job> + Clone,
    ) -> Result<Self> {
        let of = |kind: JobKind| jobs.clone().filter(move |job| job.spec.kind == kind);
        let iterations: Vec<_> = of(JobKind::Generate)
            .map(|job| (job.experiment, job.spec.iteration))
            .collect();
        let verify: Vec<&Job> = of(JobKind::Verify).collect();
        let rollouts = if verify.is_empty() {
            Vec::new()
        } else {
            rollout::ids(db, &verify).await?
        };
        Ok(Self {
            experiments,
            adapters: if iterations.is_empty() {
                HashMap::new()
            } else {
                adapter::some(db, &iterations).await?
            },
            rollouts: verify.iter().map(|job| job.id).zip(rollouts).collect(),
            fixed: Vec::new(),
        })
    }

    async fn results(
        &mut self,
        db: &mut PgConnection,
        job: &Job,
        result: Option<Wire>,
    ) -> Result<Result<Checked, Refused>> {
        let trains_on = match job.spec.kind {
            JobKind::Train => iteration::get(db, job.experiment, job.spec.iteration)
                .await?
                .and_then(|it| it.selected)
                .unwrap_or(0),
            _ => 0,
        };
        if let Some(Wire::Train(trained)) = &result
            && let Some(why) =
                missing_artifact(db, &results::trained(trained.clone(), trains_on)).await?
        {
            return Ok(Err(why));
        }
        Ok(self.parse(job, result, trains_on))
    }

    fn parse(
        &mut self,
        job: &Job,
        result: Option<Wire>,
        trains_on: u32,
    ) -> Result<Checked, Refused> {
        let (id, batch) = (job.experiment, &job.spec.batch);
        match (job.spec.kind, result) {
            (JobKind::Generate, Some(Wire::Generate(result))) => {
                let adapter = self
                    .adapters
                    .get(&(id, job.spec.iteration))
                    .map(|adapter| adapter.id);
                let (base, rollouts) =
                    results::generated(result, batch, adapter, self.config(id)?)?;
                self.same_base(id, base)?;
                Ok(Checked::Generated(rollouts))
            }
            (JobKind::Verify, Some(Wire::Verify(result))) => {
                let ids = self
                    .rollouts
                    .get(&job.id)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                results::judged(result, batch, ids, self.config(id)?).map(Checked::Judged)
            }
            (JobKind::Train, Some(Wire::Train(result))) => {
                let trained = results::trained(result, trains_on)?;
                self.same_base(id, trained.base)?;
                Ok(Checked::Trained(trained))
            }
            (kind, _) => Err(format!("not the results of a {kind} job")),
        }
    }

    fn config(&self, id: ExperimentId) -> Result<&Config, Refused> {
        self.experiments
            .get(&id)
            .ok_or("its experiment is gone")?
            .config()
            .map_err(|error| error.to_string())
    }

    /// The first result of an experiment fixes the base model; no other is taken after it.
    fn same_base(&mut self, id: ExperimentId, base: Digest) -> Result<(), Refused> {
        let experiment = self
            .experiments
            .get_mut(&id)
            .ok_or("its experiment is gone")?;
        let fixed = *experiment.base_digest.get_or_insert_with(|| {
            self.fixed.push((id, base));
            base
        });
        if fixed == base {
            Ok(())
        } else {
            Err(format!(
                "made with base model {base}, the experiment's is {fixed}"
            ))
        }
    }
}

/// Why the files of what was trained cannot be referred to.
async fn missing_artifact(
    db: &mut PgConnection,
    trained: &Result<Trained, Refused>,
) -> Result<Option<Refused>> {
    let Ok(trained) = trained else {
        return Ok(None);
    };
    for digest in [
        Some(trained.adapter.config),
        Some(trained.adapter.weights),
        trained.optimiser,
    ]
    .into_iter()
    .flatten()
    {
        if artifact::size(db, digest).await?.is_none() {
            return Ok(Some(format!("artifact {digest} is not stored")));
        }
    }
    Ok(None)
}

/// What is stored together.
#[derive(Default)]
struct Accepted<'a> {
    done: Vec<(&'a Job, f64)>,
    generated: Vec<(&'a Job, Vec<Rollout>)>,
    judged: Vec<(&'a Job, Vec<Judged>)>,
    trained: Vec<(&'a Job, Trained)>,
}

impl<'a> Accepted<'a> {
    fn add(&mut self, job: &'a Job, seconds: f64, checked: Checked) {
        self.done.push((job, seconds));
        match checked {
            Checked::Generated(rollouts) => self.generated.push((job, rollouts)),
            Checked::Judged(judged) => self.judged.push((job, judged)),
            Checked::Trained(trained) => self.trained.push((job, trained)),
        }
    }

    async fn store(&self, db: &mut PgConnection, fixed: &[(ExperimentId, Digest)]) -> Result<()> {
        if self.done.is_empty() {
            return Ok(());
        }
        for &(experiment, base) in fixed {
            experiment::fix_base_digest(db, experiment, base).await?;
        }
        lease::complete(db, &self.done).await?;
        if !self.generated.is_empty() {
            rollout::insert(db, &self.generated).await?;
            // A generate job is followed by the one job that verifies its rollouts.
            let next = |job: &'a Job| New {
                experiment: job.experiment,
                spec: Spec {
                    kind: JobKind::Verify,
                    ..job.spec.clone()
                },
                traceparent: &job.traceparent,
            };
            job::insert(
                db,
                &self
                    .generated
                    .iter()
                    .map(|(job, _)| next(job))
                    .collect::<Vec<_>>(),
            )
            .await?;
        }
        if !self.judged.is_empty() {
            verdict::insert(db, &self.judged).await?;
        }
        for (job, trained) in &self.trained {
            store_trained(db, job, trained).await?;
        }
        Ok(())
    }
}

/// Stores the next iteration's adapter, whose files are there already.
async fn store_trained(db: &mut PgConnection, job: &Job, trained: &Trained) -> Result<()> {
    let (id, i) = (job.experiment, job.spec.iteration);
    let next = Adapter {
        iteration: i + 1,
        adapter: trained.adapter,
        optimiser: trained.optimiser,
        trained: true,
    };
    adapter::insert(db, id, &next).await?;
    iteration::insert_steps(db, id, i, &trained.steps).await?;
    iteration::set_trained(db, id, i, trained.examples, trained.tokens).await?;
    lease::set_units(db, job.id, trained.steps.len() as u64).await
}
