//! From claimed jobs to the messages workers get: everything it needs and nothing that grows with the experiment.

use std::collections::HashMap;

use groklab_domain::{
    ExperimentId, JobKind, Purpose, candidate::Candidate, experiment::Start, seed,
};
use groklab_proto::{
    convert::{self, AdapterRef},
    v1,
};
use sqlx::PgConnection;

use crate::{
    error::{Error, Result},
    store::{
        adapter,
        experiment::{self, Experiment},
        iteration,
        job::Job,
        problem::{self, Problem},
        rollout::{self, Written},
    },
};

/// The messages of these jobs, in their order.
pub async fn jobs(db: &mut PgConnection, jobs: &[Job]) -> Result<Vec<v1::Job>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let stored = Stored::read(db, jobs).await?;
    let mut wire = Vec::with_capacity(jobs.len());
    for (place, job) in jobs.iter().enumerate() {
        let experiment = stored.experiment(job)?;
        let work = match job.spec.kind {
            JobKind::Generate => v1::job::Work::Generate(stored.generate(experiment, job)?),
            JobKind::Verify => v1::job::Work::Verify(stored.verify(experiment, job, place)?),
            JobKind::Train => v1::job::Work::Train(train(db, experiment, job).await?),
        };
        wire.push(v1::Job {
            job_id: job.id.to_string(),
            fence: job.fence.0,
            experiment_id: job.experiment.to_string(),
            attempt: u32::try_from(job.fence.0).unwrap_or(u32::MAX),
            traceparent: job.traceparent.clone(),
            work: Some(work),
        });
    }
    Ok(wire)
}

fn base(experiment: &Experiment) -> Result<v1::BaseModel> {
    let digest = experiment
        .base_digest
        .map(|digest| digest.to_string())
        .unwrap_or_default();
    let model = &experiment.config()?.model;
    let chat = serde_json::to_string(&model.chat)
        .map_err(|error| Error::internal("write chat settings", error))?;
    let chat_json = if model.chat.is_default() {
        String::new()
    } else {
        chat
    };
    Ok(v1::BaseModel {
        source: model.source.clone(),
        digest,
        chat_json,
    })
}

/// What the messages of several jobs are made of, read once for all of them.
struct Stored {
    experiments: HashMap<ExperimentId, Experiment>,
    adapters: HashMap<(ExperimentId, u32), AdapterRef>,
    problems: HashMap<problem::Key, Problem>,
    cases: HashMap<problem::Key, Vec<problem::Case>>,
    /// By the job's place.
    written: Vec<Vec<Written>>,
}

impl Stored {
    async fn read(db: &mut PgConnection, jobs: &[Job]) -> Result<Self> {
        let of = |kind: JobKind| jobs.iter().filter(move |job| job.spec.kind == kind);
        let ids: Vec<ExperimentId> = jobs.iter().map(|job| job.experiment).collect();
        let mut stored = Self {
            experiments: experiment::some(db, &ids).await?,
            adapters: HashMap::new(),
            problems: HashMap::new(),
            cases: HashMap::new(),
            written: Vec::new(),
        };
        let keys = |jobs: &[&Job]| -> Vec<problem::Key> {
            jobs.iter()
                .flat_map(|job| {
                    job.spec
                        .batch
                        .problems
                        .iter()
                        .map(|&ordinal| (job.experiment, ordinal))
                })
                .collect()
        };
        let all: Vec<&Job> = jobs.iter().collect();
        stored.problems = problem::some(db, &keys(&all)).await?;
        if of(JobKind::Generate).next().is_some() {
            let iterations: Vec<_> = of(JobKind::Generate)
                .map(|job| (job.experiment, job.spec.iteration))
                .collect();
            stored.adapters = adapter::some(db, &iterations).await?;
        }
        let verify: Vec<&Job> = of(JobKind::Verify).collect();
        if !verify.is_empty() {
            stored.cases = problem::cases(db, &keys(&verify)).await?;
            stored.written = rollout::written(db, &all).await?;
        }
        Ok(stored)
    }

    fn experiment(&self, job: &Job) -> Result<&Experiment> {
        self.experiments
            .get(&job.experiment)
            .ok_or_else(|| Error::missing("experiment", job.experiment))
    }

    fn problems(&self, job: &Job) -> Result<Vec<&Problem>> {
        let key = |&ordinal| (job.experiment, ordinal);
        let missing = |ordinal| {
            Error::broken(format!(
                "job {} names problem {ordinal}, which is not there",
                job.id
            ))
        };
        job.spec
            .batch
            .problems
            .iter()
            .map(|ordinal| {
                self.problems
                    .get(&key(ordinal))
                    .ok_or_else(|| missing(ordinal))
            })
            .collect()
    }

    fn generate(&self, experiment: &Experiment, job: &Job) -> Result<v1::GenerateJob> {
        let (config, spec) = (experiment.config()?, &job.spec);
        let (temperature, top_p) = match spec.purpose {
            Purpose::Train => (config.generate.temperature, config.generate.top_p),
            Purpose::Eval if spec.batch.first_sample == 0 => (0.0, 1.0),
            Purpose::Eval => (config.evaluate.temperature, config.evaluate.top_p),
        };
        let prompts = self.problems(job)?.into_iter().map(|problem| {
            let seed = |sample| {
                seed::rollout(
                    config.seed,
                    spec.purpose,
                    spec.iteration,
                    problem.ordinal,
                    sample,
                )
            };
            let samples = spec
                .batch
                .sample_range()
                .map(|sample| v1::Sample {
                    sample,
                    seed: seed(sample),
                })
                .collect();
            v1::Prompt {
                problem: problem.ordinal,
                text: problem.prompt.clone(),
                samples,
                entry: problem.entry.clone(),
            }
        });
        Ok(v1::GenerateJob {
            base: Some(base(experiment)?),
            adapter: self
                .adapters
                .get(&(job.experiment, spec.iteration))
                .copied()
                .map(Into::into),
            temperature,
            top_p,
            max_new_tokens: config.generate.max_new_tokens,
            prompts: prompts.collect(),
        })
    }

    fn verify(&self, experiment: &Experiment, job: &Job, place: usize) -> Result<v1::VerifyJob> {
        let limits = &experiment.config()?.verify;
        let cases = |ordinal| {
            self.cases
                .get(&(job.experiment, ordinal))
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        let case = |case: &problem::Case| v1::Case {
            args_json: case.args.clone(),
            expected_json: case.expected.clone(),
            visible: case.visible,
        };
        let problems = self
            .problems(job)?
            .into_iter()
            .map(|problem| v1::VerifyProblem {
                problem: problem.ordinal,
                entry: problem.entry.clone(),
                cases: cases(problem.ordinal).iter().map(case).collect(),
            });
        let written = self
            .written
            .get(place)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let range = |candidate: Option<Candidate>| candidate.map(convert::candidate_range);
        let candidates = written.iter().map(|w| v1::Candidate {
            problem: w.problem,
            sample: w.sample,
            text: w.text.clone(),
            range: range(w.candidate),
        });
        Ok(v1::VerifyJob {
            cpu_seconds: limits.cpu_seconds,
            memory_mb: limits.memory_mb,
            problems: problems.collect(),
            candidates: candidates.collect(),
        })
    }
}

async fn train(db: &mut PgConnection, experiment: &Experiment, job: &Job) -> Result<v1::TrainJob> {
    let (config, i) = (experiment.config()?, job.spec.iteration);
    let stored = iteration::get(db, experiment.id, i).await?;
    let set = stored
        .and_then(|it| it.training_set)
        .ok_or_else(|| Error::broken(format!("iteration {i} has no training set")))?;
    let init = match config.train.start {
        Start::Restart => None,
        Start::Continue => adapter::get(db, experiment.id, i).await?,
    };
    let optimiser = init.and_then(|adapter| adapter.optimiser);
    Ok(v1::TrainJob {
        base: Some(base(experiment)?),
        init: init.map(|adapter| adapter.adapter.into()),
        optimiser_digest: optimiser
            .map(|digest| digest.to_string())
            .unwrap_or_default(),
        training_set_digest: set.to_string(),
        settings_json: serde_json::to_string(&config.train)
            .map_err(|error| Error::internal("write training settings", error))?,
        seed: seed::training(config.seed, i),
    })
}
