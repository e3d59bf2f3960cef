//! Train jobs: a training set and where to start go to a worker, the next iteration's adapter comes
//! back.

use std::collections::{HashMap, HashSet};

use groklab_domain::{
    Commit, Digest, JobId,
    experiment::{Experiment as Config, Start},
    job::{AdapterRef, Job},
    seed,
};
use groklab_proto::{
    convert::{adapter, field, optional_field},
    v1::{self, job::Work},
};
use sqlx::PgConnection;

use super::contract::{Experiments, Kind, MadeWith, Refusal, base_model, parsed};
use crate::{
    error::{Error, Result},
    store::{
        adapter::{self as adapters, Adapter},
        artifact,
        experiment::Experiment,
        iteration::{self, Step},
        lease,
    },
};

pub struct Train;

/// What training made.
#[derive(Debug)]
pub struct Trained {
    base: Digest,
    commit: Option<Commit>,
    adapter: AdapterRef,
    optimiser: Option<Digest>,
    examples: u32,
    /// Of prompts and completions, over all epochs.
    tokens: u64,
    steps: Vec<Step>,
}

impl Trained {
    fn files(&self) -> impl Iterator<Item = Digest> {
        let adapter = [self.adapter.config, self.adapter.weights];
        adapter.into_iter().chain(self.optimiser)
    }
}

/// What trainings are checked against.
#[derive(Debug, Default)]
pub struct Context {
    /// How many examples each job was given.
    examples: HashMap<JobId, u32>,
    /// The artifacts there are, of those that any result names.
    artifacts: HashSet<Digest>,
}

impl Kind for Train {
    type Wire = v1::TrainResult;
    type Results = Trained;
    type Context = Context;

    async fn messages(
        db: &mut PgConnection,
        jobs: &[Job],
        experiments: &Experiments,
    ) -> Result<Vec<Work>> {
        let mut messages = Vec::with_capacity(jobs.len());
        for job in jobs {
            let message = message(db, experiments.of(job)?, job.spec.iteration).await?;
            messages.push(Work::Train(message));
        }
        Ok(messages)
    }

    fn parse(wire: v1::TrainResult) -> Result<Trained, Refusal> {
        let named = wire
            .adapter
            .as_ref()
            .ok_or("no adapter in the result of training")?;
        // A training job is only made where there are examples, so no step means that nothing was
        // trained. Postgres has no unsigned numbers.
        if wire.steps.is_empty() || i64::try_from(wire.tokens).is_err() {
            return Err(format!(
                "{} steps, {} tokens",
                wire.steps.len(),
                wire.tokens
            ));
        }
        // Numbered here: a number that came twice would break the transaction for all its calls.
        let steps = (0..).zip(&wire.steps);
        Ok(Trained {
            base: parsed(field("base_digest", &wire.base_digest))?,
            commit: parsed(optional_field("base_commit", &wire.base_commit))?,
            adapter: parsed(adapter(named))?,
            optimiser: parsed(optional_field("optimiser_digest", &wire.optimiser_digest))?,
            examples: wire.examples,
            tokens: wire.tokens,
            steps: steps.map(parse_step).collect::<Result<_, _>>()?,
        })
    }

    fn made_with(results: &Trained) -> MadeWith {
        MadeWith {
            base: Some(results.base),
            commit: results.commit,
            python: None,
        }
    }

    async fn context(db: &mut PgConnection, completed: &[(&Job, &Trained)]) -> Result<Context> {
        let mut context = Context::default();
        let mut named = Vec::new();
        for (job, results) in completed {
            let stored = iteration::get(db, job.experiment, job.spec.iteration).await?;
            let examples = stored.and_then(|iteration| iteration.selected).unwrap_or(0);
            context.examples.insert(job.id, examples);
            named.extend(results.files());
        }
        context.artifacts = artifact::stored(db, &named).await?;
        Ok(context)
    }

    fn check(job: &Job, results: &Trained, context: &Context, _: &Config) -> Result<(), Refusal> {
        let given = context.examples.get(&job.id).copied().unwrap_or(0);
        // A worker that left examples out would make another adapter than the file asks for.
        if results.examples != given {
            return Err(format!(
                "trained on {} examples of {given}",
                results.examples
            ));
        }
        for digest in results.files() {
            // The foreign key would refuse it too, and with it every other call of the transaction.
            if !context.artifacts.contains(&digest) {
                return Err(format!("artifact {digest} is not stored"));
            }
        }
        Ok(())
    }

    /// Stores the next iteration's adapter, whose files are there already.
    async fn store(db: &mut PgConnection, checked: &[(&Job, &Trained)], _: &Context) -> Result<()> {
        for (job, results) in checked {
            let (experiment, iteration) = (job.experiment, job.spec.iteration);
            let next = Adapter {
                // An adapter is stored under the iteration that starts from it.
                iteration: iteration + 1,
                adapter: results.adapter,
                optimiser: results.optimiser,
                trained: true,
            };
            adapters::insert(db, experiment, &next).await?;
            iteration::insert_steps(db, experiment, iteration, &results.steps).await?;
            let (examples, tokens) = (results.examples, results.tokens);
            iteration::set_trained(db, experiment, iteration, examples, tokens).await?;
            // How many steps a training has is not known when the job is made.
            lease::set_units(db, job.id, results.steps.len() as u64).await?;
        }
        Ok(())
    }
}

async fn message(
    db: &mut PgConnection,
    experiment: &Experiment,
    iteration: u32,
) -> Result<v1::TrainJob> {
    let config = experiment.config()?;
    let stored = iteration::get(db, experiment.id, iteration).await?;
    let set = stored
        .and_then(|stored| stored.training_set)
        .ok_or_else(|| Error::broken(format!("iteration {iteration} has no training set")))?;
    let init = match config.train.start {
        // From the base, with an optimiser that has seen nothing.
        Start::Restart => None,
        // None in iteration 0, which starts from the base as well, unless it is a fork's.
        Start::Continue => adapters::get(db, experiment.id, iteration).await?,
    };
    let optimiser = init.and_then(|adapter| adapter.optimiser);
    Ok(v1::TrainJob {
        base: Some(base_model(experiment)?),
        init: init.map(|adapter| adapter.adapter.into()),
        optimiser_digest: optimiser.map_or_else(String::new, |digest| digest.to_string()),
        training_set_digest: set.to_string(),
        objective: config.train.method.method().objective().to_string(),
        // The whole `[train]` table. The worker reads it into the same structure, which refuses
        // keys that it does not know.
        settings_json: serde_json::to_string(&config.train)
            .map_err(|error| Error::internal("write training settings", error))?,
        seed: seed::training(config.seed, iteration),
        iterations_left: match config.train.start {
            Start::Restart => 0,
            Start::Continue => config.iterations.saturating_sub(iteration),
        },
    })
}

fn parse_step((number, step): (u32, &v1::TrainingStep)) -> Result<Step, Refusal> {
    let finite = [step.loss, step.grad_norm, step.learning_rate]
        .iter()
        .all(|value| value.is_finite());
    if !finite || i64::try_from(step.tokens).is_err() {
        return Err(format!(
            "step {}: loss {}, gradient norm {}, {} tokens: training diverged",
            step.step, step.loss, step.grad_norm, step.tokens
        ));
    }
    Ok(Step {
        step: number,
        loss: step.loss,
        grad_norm: step.grad_norm,
        learning_rate: step.learning_rate,
        tokens: step.tokens,
    })
}
