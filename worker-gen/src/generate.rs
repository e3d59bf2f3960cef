//! One generate job: the model and the adapter it names, its prompts, a rollout for every sample.

use std::{ops::ControlFlow, time::Instant};

use groklab_domain::{Digest, Finish, job::AdapterRef};
use groklab_model::{
    Adapter, Applied, ChatTokenizer, Completion, Error, Model, Request, Resident, Row, Sampling,
    Source, Stop, gpu_is_lost,
};
use groklab_proto::{
    convert::{self, optional_field},
    v1,
};
use groklab_worker::{Context, Executor, Failure, Outcome, Work};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Does generate jobs with the model and the adapter of the last one kept in memory.
pub(crate) struct Generator {
    resident: Resident,
    applied: Option<(Digest, Applied)>,
    metrics: Metrics,
    /// Ends this worker.
    stop: CancellationToken,
}

impl Generator {
    pub(crate) fn new(resident: Resident, metrics: Metrics, stop: CancellationToken) -> Self {
        Self {
            resident,
            applied: None,
            metrics,
            stop,
        }
    }

    fn generate(
        &mut self,
        job: &v1::GenerateJob,
        context: &Context,
    ) -> Result<v1::GenerateResult, Failure> {
        let Self {
            resident,
            applied,
            metrics,
            ..
        } = self;
        let base = job
            .base
            .as_ref()
            .ok_or_else(|| Failure::caller("the job names no base model"))?;
        let digest: Option<Digest> = optional_field("base.digest", &base.digest)?;
        let chat = convert::chat(base)?;
        let source = Source {
            name: &base.source,
            revision: convert::revision(base),
        };
        let is_loaded = resident.holds(source, &chat);
        if !is_loaded {
            // It was made for the model that goes, whose memory the next one needs.
            *applied = None;
        }
        let loading = Instant::now();
        let (model, tokenizer) = resident.get(source, &chat, digest).map_err(failure)?;
        if !is_loaded {
            metrics.model_loaded(loading.elapsed());
        }
        // The protocol has this for methods that are still to come: refused rather than left out of
        // the results in silence.
        if job.token_logprobs {
            return Err(Failure::caller(
                "this worker does not record the log-probabilities of tokens",
            ));
        }
        let adapter = job.adapter.as_ref().map(convert::adapter).transpose()?;
        apply(applied, model, adapter, context)?;
        let prompts = Prompts::encode(job, tokenizer)?;
        let request = Request {
            rows: &prompts.rows,
            sampling: Sampling {
                temperature: job.temperature,
                top_p: job.top_p,
                max_new_tokens: job.max_new_tokens as usize,
            },
            stop: Stop::at_end_tokens(tokenizer),
            share_prefixes: true,
        };
        let mut progress =
            |p: groklab_model::Progress| match context.progress(p.finished_rows as u64) {
                Ok(()) => ControlFlow::Continue(()),
                Err(groklab_worker::Cancelled) => ControlFlow::Break(()),
            };
        let completions = groklab_model::generate(
            model,
            applied.as_ref().map(|(_, a)| a),
            &request,
            &mut progress,
        )
        .map_err(|error| {
            metrics.failed(&error);
            failure_at(error.row().map(|row| prompts.place(job, row)), error)
        })?;
        let rollouts = prompts.rollouts(job, completions);
        metrics.batch(rollouts.len());
        for rollout in &rollouts {
            let tokens = rollout.token_ids.len();
            metrics.completion(rollout.prompt_tokens, tokens, &rollout.finish);
        }
        Ok(v1::GenerateResult {
            base_digest: model.base_digest().to_string(),
            base_commit: model
                .base_commit()
                .map_or_else(String::new, |commit| commit.to_string()),
            adapter_id: adapter.map(|a| a.id.to_string()).unwrap_or_default(),
            rollouts,
        })
    }
}

impl Executor for Generator {
    fn execute(&mut self, work: Work, context: &Context) -> Result<Outcome, Failure> {
        let outcome = match work {
            Work::Generate(job) => self.generate(&job, context).map(Outcome::Generate),
            _ => Err(Failure::caller(
                "a generation worker was given another kind of job",
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

/// Leaves the wanted adapter in `applied`, or none.
fn apply(
    applied: &mut Option<(Digest, Applied)>,
    model: &Model,
    wanted: Option<AdapterRef>,
    context: &Context,
) -> Result<(), Failure> {
    if applied.as_ref().map(|(id, _)| *id) == wanted.map(|adapter| adapter.id) {
        return Ok(());
    }
    // The old one goes first: memory may not suffice for two.
    *applied = None;
    let Some(wanted) = wanted else { return Ok(()) };
    let files = (
        context.artifacts.get(wanted.config)?,
        context.artifacts.get(wanted.weights)?,
    );
    let adapter = Adapter::from_files(files.0, files.1).map_err(failure)?;
    // The store checks each file by itself; only the id says that they belong together, and to
    // which base.
    if adapter.id() != wanted.id {
        return Err(Failure::infrastructure(format!(
            "adapter `{}` has the id {}",
            wanted.id,
            adapter.id()
        )));
    }
    *applied = Some((wanted.id, Applied::new(model, &adapter).map_err(failure)?));
    Ok(())
}

/// The job's prompts as rows: all samples of a prompt stand together.
struct Prompts {
    rows: Vec<Row>,
    /// Tokens of each prompt of the job.
    lengths: Vec<u32>,
}

impl Prompts {
    fn encode(job: &v1::GenerateJob, tokenizer: &ChatTokenizer) -> Result<Self, Failure> {
        let (mut rows, mut lengths) = (Vec::new(), Vec::new());
        for prompt in &job.prompts {
            let encoded = tokenizer.encode_prompt(&prompt.text);
            let prompt_ids = encoded
                .map_err(|error| failure_at(Some(format!("problem {}", prompt.problem)), error))?;
            lengths.push(u32::try_from(prompt_ids.len()).unwrap_or(u32::MAX));
            // Protobuf has no absent text: an empty entry asks for no code.
            let entry = || Some(prompt.entry.clone()).filter(|entry| !entry.is_empty());
            rows.extend(prompt.samples.iter().map(|sample| Row {
                prompt_ids: prompt_ids.clone(),
                seed: sample.seed,
                entry: entry(),
            }));
        }
        Ok(Self { rows, lengths })
    }

    fn rollouts(&self, job: &v1::GenerateJob, completions: Vec<Completion>) -> Vec<v1::Rollout> {
        let rollouts = self.places(job).zip(completions);
        rollouts
            .map(|((problem, sample, length), completion)| {
                rollout(problem, sample, length, completion)
            })
            .collect()
    }

    /// Problem, sample and tokens of the prompt of every row.
    fn places<'a>(
        &'a self,
        job: &'a v1::GenerateJob,
    ) -> impl Iterator<Item = (u32, u32, u32)> + 'a {
        let prompts = job.prompts.iter().zip(&self.lengths);
        prompts.flat_map(|(prompt, &length)| {
            prompt
                .samples
                .iter()
                .map(move |sample| (prompt.problem, sample.sample, length))
        })
    }

    fn place(&self, job: &v1::GenerateJob, row: usize) -> String {
        let (problem, sample, _) = self.places(job).nth(row).expect("every row has its place");
        format!("problem {problem}, sample {sample}")
    }
}

fn rollout(problem: u32, sample: u32, prompt_tokens: u32, completion: Completion) -> v1::Rollout {
    let finish = if completion.finish == groklab_model::Finish::Length {
        Finish::Length
    } else {
        // Behind the wanted code as well as at an end token.
        Finish::Stop
    };
    v1::Rollout {
        problem,
        sample,
        token_ids: completion
            .ids
            .iter()
            .map(|&id| u32::try_from(id).expect("an id is within the vocabulary"))
            .collect(),
        text: completion.bytes,
        finish: finish.to_string(),
        prompt_tokens,
        mean_logprob: completion.mean_logprob,
        candidate: completion.candidate.map(convert::candidate_range),
        token_logprobs: Vec::new(),
    }
}

fn failure(error: Error) -> Failure {
    failure_at(None, error)
}

/// With the place that the error is about, where it is about one.
fn failure_at(place: Option<String>, error: Error) -> Failure {
    if matches!(error, Error::Cancelled) {
        // It gives the job back, which counts as no attempt.
        return groklab_worker::Cancelled.into();
    }
    let retry = error.retry_may_help();
    let named = match place {
        Some(place) => anyhow::Error::new(error).context(place),
        None => error.into(),
    };
    if retry {
        Failure::infrastructure(named)
    } else {
        // The experiment ends with this, so it is only for what no other machine could do either.
        Failure::caller(named)
    }
}
