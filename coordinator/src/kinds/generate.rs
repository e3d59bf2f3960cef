//! Generate jobs: prompts and seeds go to a worker, completions come back, a verify job follows on
//! them.

use std::collections::HashMap;

use groklab_domain::{
    Commit, Digest, ExperimentId, Purpose,
    experiment::Experiment as Config,
    job::{AdapterRef, Job},
    seed::{self, ProblemSeed},
};
use groklab_proto::{
    convert::{self, field, optional_field},
    v1::{self, job::Work},
};
use sqlx::PgConnection;

use super::contract::{
    Experiments, Kind, MadeWith, Refusal, base_model, check_covers, in_order, parsed,
};
use crate::{
    error::{Error, Result},
    store::{
        adapter,
        problem::{self, Problem},
        rollout::{self, Rollout},
    },
};

/// More tokens than any prompt has.
const MAX_PROMPT_TOKENS: u32 = 1 << 24;

/// The adapters that iterations start from; none for the untrained model.
type Adapters = HashMap<(ExperimentId, u32), AdapterRef>;

pub struct Generate;

/// What a worker wrote, in order of problem and sample.
#[derive(Debug)]
pub struct Generated {
    base: Digest,
    commit: Option<Commit>,
    /// None: the untrained model.
    adapter: Option<Digest>,
    rollouts: Vec<Rollout>,
}

impl Kind for Generate {
    type Wire = v1::GenerateResult;
    type Results = Generated;
    type Context = Adapters;

    async fn messages(
        db: &mut PgConnection,
        jobs: &[Job],
        experiments: &Experiments,
    ) -> Result<Vec<Work>> {
        let problems = problem::get_many(db, &problem::keys(jobs)).await?;
        let adapters = adapters(db, jobs.iter()).await?;
        let mut messages = Vec::with_capacity(jobs.len());
        for job in jobs {
            let experiment = experiments.of(job)?;
            let config = experiment.config()?;
            let (temperature, top_p) = sampling(config, job);
            messages.push(Work::Generate(v1::GenerateJob {
                base: Some(base_model(experiment)?),
                adapter: adapter_of(&adapters, job).map(Into::into),
                temperature,
                top_p,
                max_new_tokens: config.generate.max_new_tokens,
                prompts: prompts(config, job, &problems)?,
                token_logprobs: wants_token_logprobs(config, job),
            }));
        }
        Ok(messages)
    }

    fn parse(wire: v1::GenerateResult) -> Result<Generated, Refusal> {
        let rollouts = in_order(wire.rollouts, |rollout| (rollout.problem, rollout.sample))?;
        Ok(Generated {
            base: parsed(field("base_digest", &wire.base_digest))?,
            commit: parsed(optional_field("base_commit", &wire.base_commit))?,
            adapter: parsed(optional_field("adapter_id", &wire.adapter_id))?,
            rollouts: rollouts
                .into_iter()
                .map(parse_rollout)
                .collect::<Result<_, _>>()?,
        })
    }

    fn made_with(results: &Generated) -> MadeWith {
        MadeWith {
            base: Some(results.base),
            commit: results.commit,
            python: None,
        }
    }

    async fn context(db: &mut PgConnection, completed: &[(&Job, &Generated)]) -> Result<Adapters> {
        adapters(db, completed.iter().map(|(job, _)| *job)).await
    }

    fn check(
        job: &Job,
        results: &Generated,
        adapters: &Adapters,
        config: &Config,
    ) -> Result<(), Refusal> {
        // The worker echoes the adapter it loaded: one left over from the iteration before would
        // give rollouts that look right.
        let adapter = adapter_of(adapters, job).map(|adapter| adapter.id);
        if results.adapter != adapter {
            return Err(format!(
                "made with {}, the job names {}",
                adapter_name(results.adapter),
                adapter_name(adapter)
            ));
        }
        let keys = results
            .rollouts
            .iter()
            .map(|rollout| (rollout.problem, rollout.sample));
        // A rollout too few would leave its problem out of a denominator, in silence.
        check_covers(&job.spec.batch, keys)?;
        for rollout in &results.rollouts {
            check_rollout(rollout, config, wants_token_logprobs(config, job))?;
        }
        Ok(())
    }

    async fn store(
        db: &mut PgConnection,
        checked: &[(&Job, &Generated)],
        _: &Adapters,
    ) -> Result<()> {
        let mut rollouts = Vec::with_capacity(checked.len());
        for (job, results) in checked {
            rollouts.push((*job, results.rollouts.as_slice()));
        }
        rollout::insert(db, &rollouts).await
    }
}

/// Temperature and top_p.
fn sampling(config: &Config, job: &Job) -> (f64, f64) {
    match job.spec.purpose {
        Purpose::Train => (config.generate.temperature, config.generate.top_p),
        // Sample 0 of an evaluation is the greedy one, in a job of its own.
        Purpose::Eval if job.spec.batch.first_sample == 0 => (0.0, 1.0),
        Purpose::Eval => (config.evaluate.temperature, config.evaluate.top_p),
    }
}

fn prompts(
    config: &Config,
    job: &Job,
    problems: &HashMap<problem::Key, Problem>,
) -> Result<Vec<v1::Prompt>> {
    let spec = &job.spec;
    let mut prompts = Vec::with_capacity(spec.batch.problems.len());
    for &ordinal in &spec.batch.problems {
        let problem = problems
            .get(&(job.experiment, ordinal))
            .ok_or_else(|| Error::broken(format!("job {} without problem {ordinal}", job.id)))?;
        let drawn_by = ProblemSeed::of(problem.identity, ordinal);
        let mut samples = Vec::with_capacity(spec.batch.samples as usize);
        for sample in spec.batch.sample_range() {
            // The draws are part of the job: whoever runs it, and however often, makes the same
            // ones.
            let seed = seed::rollout(config.seed, spec.purpose, spec.iteration, drawn_by, sample);
            samples.push(v1::Sample { sample, seed });
        }
        prompts.push(v1::Prompt {
            problem: ordinal,
            text: problem.prompt.clone(),
            samples,
            // With it the worker can stop once the code that defines the entry is complete.
            entry: problem.entry.clone(),
        });
    }
    Ok(prompts)
}

async fn adapters<'a>(
    db: &mut PgConnection,
    jobs: impl Iterator<Item = &'a Job>,
) -> Result<Adapters> {
    let iterations: Vec<_> = jobs
        .map(|job| (job.experiment, job.spec.iteration))
        .collect();
    adapter::get_many(db, &iterations).await
}

fn adapter_of(adapters: &Adapters, job: &Job) -> Option<AdapterRef> {
    adapters.get(&(job.experiment, job.spec.iteration)).copied()
}

fn adapter_name(adapter: Option<Digest>) -> String {
    match adapter {
        Some(digest) => digest.to_string(),
        None => "no adapter".to_owned(),
    }
}

/// An evaluation's rollouts are never trained on.
fn wants_token_logprobs(config: &Config, job: &Job) -> bool {
    job.spec.purpose == Purpose::Train && config.train.method.method().wants_token_logprobs()
}

fn parse_rollout(wire: v1::Rollout) -> Result<Rollout, Refusal> {
    let candidate = match &wire.candidate {
        // Checked before anything is written: the table's own check would fail every call of the
        // transaction.
        Some(range) => Some(parsed(convert::candidate(range, wire.text.len()))?),
        None => None,
    };
    Ok(Rollout {
        candidate,
        problem: wire.problem,
        sample: wire.sample,
        token_ids: wire.token_ids,
        text: wire.text,
        finish: parsed(field("finish", &wire.finish))?,
        prompt_tokens: wire.prompt_tokens,
        mean_logprob: wire.mean_logprob,
        token_logprobs: wire.token_logprobs,
    })
}

fn check_rollout(
    rollout: &Rollout,
    config: &Config,
    wants_token_logprobs: bool,
) -> Result<(), Refusal> {
    let (tokens, most) = (rollout.token_ids.len(), config.generate.max_new_tokens);
    if tokens > most as usize {
        return Err(format!(
            "rollout of {tokens} tokens, at most {most} were asked for"
        ));
    }
    // They go into the export, and JSON has neither NaN nor infinity.
    if !rollout.mean_logprob.is_finite() || rollout.prompt_tokens > MAX_PROMPT_TOKENS {
        return Err(format!(
            "mean_logprob = {}, prompt_tokens = {}",
            rollout.mean_logprob, rollout.prompt_tokens
        ));
    }
    let logprobs = rollout.token_logprobs.len();
    if logprobs != if wants_token_logprobs { tokens } else { 0 } {
        return Err(format!("{logprobs} log-probabilities of {tokens} tokens"));
    }
    if let Some(value) = rollout
        .token_logprobs
        .iter()
        .find(|value| !value.is_finite())
    {
        return Err(format!("token_logprobs holds {value}"));
    }
    Ok(())
}
