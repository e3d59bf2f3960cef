//! One train job: the training set it names, LoRA steps over it, an adapter in the store.

use std::{ops::ControlFlow, time::Instant};

use groklab_domain::{Digest, experiment, job::AdapterRef, method::Objective, seed};
use groklab_model::{
    Adapter, ChatTokenizer, Error, Example, LoraSpec, Model, Resident, Source, Start, StepReport,
    Trainer, gpu_is_lost, plan_batches,
};
use groklab_proto::{
    convert::{self, field, optional_field},
    v1,
};
use groklab_worker::{Context, Executor, Failure, Outcome, Work};
use tokio_util::sync::CancellationToken;

use crate::{metrics::Metrics, settings};

/// One line of the training set. The completion is the ids that were sampled, never text encoded
/// again.
#[derive(serde::Deserialize)]
struct Line {
    prompt: String,
    completion: Vec<i64>,
    weight: f32,
}

/// Does train jobs with the model of the last one kept in memory.
pub(crate) struct Fitter {
    resident: Resident,
    metrics: Metrics,
    /// Ends this worker.
    stop: CancellationToken,
}

impl Fitter {
    pub(crate) fn new(resident: Resident, metrics: Metrics, stop: CancellationToken) -> Self {
        Self {
            resident,
            metrics,
            stop,
        }
    }

    fn fit(&mut self, job: &v1::TrainJob, context: &Context) -> Result<v1::TrainResult, Failure> {
        let base = job
            .base
            .as_ref()
            .ok_or_else(|| Failure::caller("the job names no base model"))?;
        let digest: Option<Digest> = optional_field("base.digest", &base.digest)?;
        // A `match`, so that an objective that is added does not compile until it is trained here.
        match field::<Objective>("objective", &job.objective)? {
            Objective::Likelihood => {}
        }
        let table: experiment::Train = serde_json::from_str(&job.settings_json)
            .map_err(|error| Failure::caller(format!("field `settings_json`: {error}")))?;
        let set = context
            .artifacts
            .get(field("training_set_digest", &job.training_set_digest)?)?;
        let source = Source {
            name: &base.source,
            revision: convert::revision(base),
        };
        // After the set: where that cannot be fetched, no model is loaded in vain.
        let (model, tokenizer) = self
            .resident
            .get(source, &convert::chat(base)?, digest)
            .map_err(failure)?;
        let examples = examples(&set, tokenizer)?;
        let lengths: Vec<usize> = examples.iter().map(Example::tokens).collect();
        let batches = plan_batches(
            &lengths,
            table.batch_tokens as usize,
            table.epochs,
            // Not the seed itself, from which a fresh adapter is drawn.
            seed::derive(job.seed, &[b"order"]),
        );
        let mut trainer = trainer(job, &table, model, batches.len() as u64, context)?;
        // Before the first step: an example that cannot be trained on is named by its line in the
        // set.
        trainer.check(&examples).map_err(|error| {
            Failure::caller(format!("training set: {}", named(error, |at| at + 1)))
        })?;
        let mut steps = Vec::with_capacity(batches.len());
        context.expect(batches.len() as u64);
        for batch in batches {
            context.progress(steps.len() as u64)?;
            let members: Vec<Example> =
                batch.iter().map(|&index| examples[index].clone()).collect();
            // A job that was dropped ends between the parts of a step.
            let mut alive = || match context.progress(steps.len() as u64) {
                Ok(()) => ControlFlow::Continue(()),
                Err(groklab_worker::Cancelled) => ControlFlow::Break(()),
            };
            let started = Instant::now();
            let report = trainer
                .step(&members, &mut alive)
                .map_err(|error| failure(named(error, |at| batch[at] + 1)))?;
            self.metrics.stepped(&report, started.elapsed());
            tracing::info!(
                step = report.step,
                loss = report.loss,
                grad_norm = report.grad_norm,
                tokens = report.tokens,
                "step"
            );
            steps.push(step(&report));
        }
        Ok(v1::TrainResult {
            base_digest: model.base_digest().to_string(),
            base_commit: model
                .base_commit()
                .map_or_else(String::new, |commit| commit.to_string()),
            // The files are stored before the result names them; what a crash in between leaves is
            // collected after a day.
            adapter: Some(publish(&trainer.adapter(), context)?.into()),
            optimiser_digest: optimiser(&table, &trainer, context)?,
            examples: u32::try_from(examples.len()).unwrap_or(u32::MAX),
            tokens: steps.iter().map(|step| step.tokens).sum(),
            steps,
        })
    }
}

impl Executor for Fitter {
    fn execute(&mut self, work: Work, context: &Context) -> Result<Outcome, Failure> {
        let outcome = match work {
            Work::Train(job) => self.fit(&job, context).map(Outcome::Train),
            _ => Err(Failure::caller(
                "a training worker was given another kind of job",
            )),
        };
        self.metrics.device(self.resident.placement());
        // This job is still reported; a next one would fail for no fault of its own.
        if gpu_is_lost() {
            self.stop.cancel();
        }
        outcome
    }
}

/// The set's lines as examples. Every completion ends with the end token, also one that was stopped
/// at its closing fence: an adapter that never saw the end would never stop.
fn examples(set: &[u8], tokenizer: &ChatTokenizer) -> Result<Vec<Example>, Failure> {
    let parse = |line: &[u8]| -> Result<Example, Failure> {
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| Failure::caller(format!("training set: {error}")))?;
        // Sets carry weights for methods that are still to come.
        if line.weight != 1.0 {
            return Err(Failure::caller(format!(
                "training set: weight {}: this worker gives all examples the weight 1",
                line.weight
            )));
        }
        let mut completion_ids = line.completion;
        tokenizer.close(&mut completion_ids);
        Ok(Example {
            prompt_ids: tokenizer.encode_prompt(&line.prompt).map_err(failure)?,
            completion_ids,
        })
    };
    set.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(parse)
        .collect()
}

fn trainer<'a>(
    job: &v1::TrainJob,
    table: &experiment::Train,
    model: &'a Model,
    total_steps: u64,
    context: &Context,
) -> Result<Trainer<'a>, Failure> {
    let targets = table
        .targets
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, Error>>()
        .map_err(failure)?;
    let spec = LoraSpec::plain(i64::from(table.rank), table.alpha, table.dropout, targets);
    let run = settings::Run {
        total_steps,
        runs_left: u64::from(job.iterations_left),
        seed: job.seed,
        placement: model.placement(),
    };
    let settings = settings::of(table, run);
    let Some(init) = &job.init else {
        return Trainer::new(model, spec, settings, Start::Fresh { seed: job.seed })
            .map_err(failure);
    };
    let init = convert::adapter(init)?;
    let adapter = Adapter::from_files(
        context.artifacts.get(init.config)?,
        context.artifacts.get(init.weights)?,
    )
    .map_err(failure)?;
    let optimiser: Option<Digest> = optional_field("optimiser_digest", &job.optimiser_digest)?;
    let optimiser = optimiser
        .map(|digest| context.artifacts.get(digest))
        .transpose()?;
    let spec = LoraSpec {
        // The table has no key for it: training goes on with the scale of the adapter it starts
        // from.
        rslora: adapter.spec().rslora,
        ..spec
    };
    Trainer::new(
        model,
        spec,
        settings,
        Start::From {
            adapter: &adapter,
            optimiser: optimiser.as_deref(),
        },
    )
    .map_err(failure)
}

/// The error with its examples as `line` counts them: from 1, in the set, not within their batch.
pub(crate) fn named(error: Error, line: impl Fn(usize) -> usize) -> Error {
    match error {
        Error::NotFinite {
            what,
            value,
            step,
            examples,
        } => Error::NotFinite {
            what,
            value,
            step,
            examples: examples.into_iter().map(line).collect(),
        },
        Error::Row { row, reason } => Error::Row {
            row: line(row),
            reason,
        },
        error => error,
    }
}

fn publish(adapter: &Adapter, context: &Context) -> Result<AdapterRef, Failure> {
    let config = context.artifacts.put(adapter.config_file())?;
    let weights = context.artifacts.put(adapter.weights_file())?;
    Ok(AdapterRef {
        id: adapter.id(),
        config,
        weights,
    })
}

/// The optimiser's state in the store, where the next iteration goes on with it; empty otherwise.
fn optimiser(
    table: &experiment::Train,
    trainer: &Trainer<'_>,
    context: &Context,
) -> Result<String, Failure> {
    match table.start {
        experiment::Start::Restart => Ok(String::new()),
        experiment::Start::Continue => context
            .artifacts
            .put(&trainer.optimiser_state())
            .map(|digest| digest.to_string()),
    }
}

fn step(report: &StepReport) -> v1::TrainingStep {
    v1::TrainingStep {
        step: u32::try_from(report.step).unwrap_or(u32::MAX),
        loss: report.loss,
        grad_norm: report.grad_norm,
        learning_rate: report.learning_rate,
        tokens: report.tokens as u64,
    }
}

fn failure(error: Error) -> Failure {
    match error {
        // It gives the job back, which counts as no attempt.
        Error::Cancelled => groklab_worker::Cancelled.into(),
        error if error.retry_may_help() => Failure::infrastructure(anyhow::Error::new(error)),
        error => Failure::caller(anyhow::Error::new(error)),
    }
}
