//! From a claimed job to the message a worker gets: everything it needs and nothing that grows with the experiment.

use std::collections::BTreeMap;

use groklab_domain::{JobKind, Purpose, experiment::Start, seed};
use groklab_proto::v1;
use sqlx::PgConnection;

use crate::{
    error::{Error, Result},
    store::{
        adapter,
        experiment::{self, Experiment},
        iteration,
        job::Job,
        problem, rollout,
    },
};

pub async fn job(db: &mut PgConnection, job: &Job) -> Result<v1::Job> {
    let experiment = experiment::get(db, job.experiment).await?;
    let work = match job.spec.kind {
        JobKind::Generate => v1::job::Work::Generate(generate(db, &experiment, job).await?),
        JobKind::Verify => v1::job::Work::Verify(verify(db, &experiment, job).await?),
        JobKind::Train => v1::job::Work::Train(train(db, &experiment, job).await?),
    };
    Ok(v1::Job {
        job_id: job.id.to_string(),
        fence: job.fence.0,
        experiment_id: job.experiment.to_string(),
        attempt: u32::try_from(job.fence.0).unwrap_or(u32::MAX),
        traceparent: job.traceparent.clone(),
        work: Some(work),
    })
}

fn base(experiment: &Experiment) -> v1::BaseModel {
    let digest = experiment.base_digest.map(|digest| digest.to_string()).unwrap_or_default();
    v1::BaseModel { source: experiment.config.model.source.clone(), digest }
}

async fn generate(db: &mut PgConnection, experiment: &Experiment, job: &Job) -> Result<v1::GenerateJob> {
    let (config, spec) = (&experiment.config, &job.spec);
    let (temperature, top_p) = match spec.purpose {
        Purpose::Train => (config.generate.temperature, config.generate.top_p),
        Purpose::Eval if spec.batch.first_sample == 0 => (0.0, 1.0),
        Purpose::Eval => (config.evaluate.temperature, config.evaluate.top_p),
    };
    let problems = problem::some(db, experiment.id, &spec.batch.problems).await?;
    let prompts = problems.into_iter().map(|problem| {
        let seed = |sample| seed::rollout(config.seed, spec.purpose, spec.iteration, problem.ordinal, sample);
        let samples = spec.batch.sample_range().map(|sample| v1::Sample { sample, seed: seed(sample) }).collect();
        v1::Prompt { problem: problem.ordinal, text: problem.prompt, samples }
    });
    Ok(v1::GenerateJob {
        base: Some(base(experiment)),
        adapter: adapter::get(db, experiment.id, spec.iteration).await?.map(|adapter| adapter.adapter.into()),
        temperature,
        top_p,
        max_new_tokens: config.generate.max_new_tokens,
        prompts: prompts.collect(),
    })
}

async fn verify(db: &mut PgConnection, experiment: &Experiment, job: &Job) -> Result<v1::VerifyJob> {
    let spec = &job.spec;
    let mut cases: BTreeMap<u32, Vec<v1::Case>> = BTreeMap::new();
    for case in problem::cases(db, experiment.id, &spec.batch.problems).await? {
        let wire = v1::Case { args_json: case.args, expected_json: case.expected, visible: case.visible };
        cases.entry(case.ordinal).or_default().push(wire);
    }
    let problems = problem::some(db, experiment.id, &spec.batch.problems).await?;
    let problems = problems.into_iter().map(|problem| v1::VerifyProblem {
        problem: problem.ordinal,
        entry: problem.entry,
        cases: cases.remove(&problem.ordinal).unwrap_or_default(),
    });
    let written = rollout::written(db, experiment.id, spec.iteration, spec.purpose, &spec.batch).await?;
    let candidates = written.into_iter().map(|w| v1::Candidate { problem: w.problem, sample: w.sample, text: w.text });
    Ok(v1::VerifyJob {
        cpu_seconds: experiment.config.verify.cpu_seconds,
        memory_mb: experiment.config.verify.memory_mb,
        problems: problems.collect(),
        candidates: candidates.collect(),
    })
}

async fn train(db: &mut PgConnection, experiment: &Experiment, job: &Job) -> Result<v1::TrainJob> {
    let (config, i) = (&experiment.config, job.spec.iteration);
    let stored = iteration::get(db, experiment.id, i).await?;
    let set = stored.and_then(|it| it.training_set).ok_or_else(|| Error::broken(format!("iteration {i} has no training set")))?;
    let init = match config.train.start {
        Start::Restart => None,
        Start::Continue => adapter::get(db, experiment.id, i).await?,
    };
    let optimiser = init.and_then(|adapter| adapter.optimiser);
    Ok(v1::TrainJob {
        base: Some(base(experiment)),
        init: init.map(|adapter| adapter.adapter.into()),
        optimiser_digest: optimiser.map(|digest| digest.to_string()).unwrap_or_default(),
        training_set_digest: set.to_string(),
        settings_json: serde_json::to_string(&config.train).map_err(|error| Error::internal("write training settings", error))?,
        seed: seed::training(config.seed, i),
    })
}
