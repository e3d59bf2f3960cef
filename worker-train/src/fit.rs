//! `fit`: trains an adapter on a file of examples, without a coordinator.

use std::{
    fs,
    io::BufReader,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use groklab_domain::{experiment, seed};
use groklab_model::{
    Adapter, ChatTokenizer, Error, Example, LoraSpec, Model, Placement, Settings, Start,
    StepReport, Trainer, load_tokenizer, plan_batches, set_threads,
};
use groklab_runtime::offline::{bar, peak_memory_mb, read_lines, report_line, wrong};
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::Fit,
    settings::{self, Table},
    train::named,
};

const OPTIMISER: &str = "optimiser.safetensors";

/// A line of the data: text, or ids of which the first `prompt_length` are not learnt.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    prompt: Option<String>,
    completion: Option<String>,
    input_ids: Option<Vec<i64>>,
    prompt_length: Option<usize>,
}

impl Line {
    fn check(&self) -> Result<(), String> {
        match (
            &self.prompt,
            &self.completion,
            &self.input_ids,
            self.prompt_length,
        ) {
            (Some(_), Some(_), None, None) => Ok(()),
            (None, None, Some(ids), Some(length)) if (1..ids.len()).contains(&length) => Ok(()),
            (None, None, Some(ids), Some(length)) => Err(format!(
                "`prompt_length` {length} leaves no prompt or no completion of {} ids",
                ids.len()
            )),
            _ => Err(
                "`prompt` and `completion`, or `input_ids` and `prompt_length`, are wanted".into(),
            ),
        }
    }

    /// Ids need no tokenizer.
    fn example(self, tokenizer: Option<&ChatTokenizer>) -> Result<Example, Error> {
        let (mut prompt_ids, completion) = (
            self.input_ids.unwrap_or_default(),
            self.completion.unwrap_or_default(),
        );
        if let Some(tokenizer) = tokenizer.filter(|_| self.prompt_length.is_none()) {
            let prompt_ids = tokenizer.encode_prompt(&self.prompt.unwrap_or_default())?;
            return Ok(Example {
                prompt_ids,
                completion_ids: tokenizer.encode_completion(&completion)?,
            });
        }
        let completion_ids = prompt_ids.split_off(self.prompt_length.unwrap_or_default());
        Ok(Example {
            prompt_ids,
            completion_ids,
        })
    }
}

/// Trains as the command line and its configuration say.
pub fn fit(args: &Fit) -> anyhow::Result<()> {
    set_threads(args.threads);
    let table = Table::read(args.config.as_deref())?;
    let lines = lines(&args.data)?;
    let held_out = args
        .held_out
        .as_deref()
        .map(lines_of)
        .transpose()?
        .unwrap_or_default();
    let texts = lines
        .iter()
        .chain(&held_out)
        .any(|line| line.prompt.is_some());
    // Data of ids alone can be trained on without a tokenizer.
    let tokenizer = if texts { Some(tokenizer(args)?) } else { None };
    let examples = examples(lines, tokenizer.as_ref(), &args.data)?;
    let held_out = examples_of(held_out, tokenizer.as_ref(), args.held_out.as_deref())?;
    let model = Model::open(
        args.base.source(),
        &args.base.models,
        args.computing.place()?,
    )?;
    let batches = plan(&examples, &table);
    let train = &table.train;
    // The schedule has to know the last step before the first is made.
    let settings = settings(&table, batches.len() as u64, model.placement());
    let init = args
        .init_adapter
        .as_deref()
        .map(Adapter::open)
        .transpose()?;
    let spec = spec(&table, init.as_ref())?;
    let state = match (&args.init_adapter, train.start) {
        (Some(folder), experiment::Start::Continue) => Some(read(&folder.join(OPTIMISER))?),
        _ => None,
    };
    let start = match &init {
        Some(adapter) => Start::From {
            adapter,
            optimiser: state.as_deref(),
        },
        None => Start::Fresh { seed: table.seed },
    };
    let mut trainer = Trainer::new(&model, spec, settings, start)?;
    trainer
        .check(&examples)
        .map_err(|error| unfit(error, &args.data))?;
    if let Some(path) = args.held_out.as_deref().filter(|_| !held_out.is_empty()) {
        trainer
            .check(&held_out)
            .map_err(|error| unfit(error, path))?;
    }
    // Before hours are spent on what could not be kept.
    fs::create_dir_all(&args.out)
        .with_context(|| format!("make the folder `{}`", args.out.display()))?;
    let run = Run {
        examples: &examples,
        held_out: &held_out,
        batches: &batches,
    };
    let outcome = run.steps(&mut trainer);
    // Also after a failed step: the parameters are then those of the last good one.
    save(&trainer, &args.out)?;
    outcome.with_context(|| {
        format!(
            "stopped; the adapter of the last good step is in `{}`",
            args.out.display()
        )
    })
}

struct Run<'a> {
    examples: &'a [Example],
    held_out: &'a [Example],
    batches: &'a [Vec<usize>],
}

impl Run<'_> {
    fn steps(&self, trainer: &mut Trainer<'_>) -> anyhow::Result<()> {
        let shown = bar(self.batches.len() as u64, "steps");
        self.held_out_line(trainer, 0)?;
        for batch in self.batches {
            let start = Instant::now();
            let members: Vec<Example> = batch
                .iter()
                .map(|&index| self.examples[index].clone())
                .collect();
            let stepped = trainer.step(&members, &mut || ControlFlow::Continue(()));
            let report = stepped.map_err(|error| named(error, |at| batch[at] + 1))?;
            shown.inc(1);
            shown.set_message(format!("loss {:.4}", report.loss));
            // The adapter is the result: nobody reading these lines is no reason to stop.
            report_line(&step_line(&report, start.elapsed(), batch.len()))?;
        }
        self.held_out_line(trainer, self.batches.len())?;
        shown.finish_and_clear();
        Ok(())
    }

    fn held_out_line(&self, trainer: &Trainer<'_>, step: usize) -> anyhow::Result<()> {
        if self.held_out.is_empty() {
            return Ok(());
        }
        let loss = trainer.loss(self.held_out, &mut || ControlFlow::Continue(()))?;
        report_line(&json!({"step": step, "held_out_loss": loss}))
    }
}

fn step_line(report: &StepReport, took: Duration, examples: usize) -> serde_json::Value {
    json!({
        "step": report.step, "loss": report.loss, "grad_norm": report.grad_norm,
        "learning_rate": report.learning_rate, "examples": examples, "tokens": report.tokens,
        "tokens_per_second": report.tokens as f64 / took.as_secs_f64(),
        "peak_memory_mb": peak_memory_mb(),
    })
}

/// Indices of the examples of every step.
fn plan(examples: &[Example], table: &Table) -> Vec<Vec<usize>> {
    let epochs = table.train.epochs as usize;
    if let Some(size) = table.batch_size {
        // In file order, over and over, as the scripts of peft do that this is compared with.
        let steps = table
            .steps
            .unwrap_or(epochs * examples.len().div_ceil(size));
        return (0..steps)
            .map(|step| {
                // No example twice in a step, also where a step asks for more than there are.
                (0..size.min(examples.len()))
                    .map(|at| (step * size + at) % examples.len())
                    .collect()
            })
            .collect();
    }
    let lengths: Vec<usize> = examples.iter().map(Example::tokens).collect();
    let order = seed::derive(table.seed, &[b"order"]);
    let of = |epochs: u32| plan_batches(&lengths, table.train.batch_tokens as usize, epochs, order);
    let Some(steps) = table.steps else {
        return of(table.train.epochs);
    };
    // More epochs begin with the same batches as fewer: one stream shuffles all of them in turn.
    let enough = (0..)
        .map(|doublings| of(1 << doublings))
        .find(|batches| batches.len() >= steps);
    let mut batches = enough.expect("every epoch has at least one batch");
    batches.truncate(steps);
    batches
}

/// The shape that the configuration names; where it names none, that of the adapter to start from.
/// How rank and alpha make a scale is that adapter's in any case.
fn spec(table: &Table, init: Option<&Adapter>) -> anyhow::Result<LoraSpec> {
    let train = &table.train;
    if let Some(adapter) = init.filter(|_| !table.names_shape) {
        return Ok(LoraSpec {
            dropout: train.dropout,
            ..adapter.spec().clone()
        });
    }
    let targets = train
        .targets
        .iter()
        .map(|name| name.parse())
        .collect::<Result<_, Error>>()
        .map_err(wrong)?;
    let spec = LoraSpec::plain(i64::from(train.rank), train.alpha, train.dropout, targets);
    Ok(LoraSpec {
        // The configuration has no key for it.
        rslora: init.is_some_and(|adapter| adapter.spec().rslora),
        ..spec
    })
}

fn settings(table: &Table, total_steps: u64, placement: Placement) -> Settings {
    let run = settings::Run {
        total_steps,
        runs_left: 0,
        seed: table.seed,
        placement,
    };
    let defaults = settings::of(&table.train, run);
    Settings {
        betas: table
            .betas
            .map_or(defaults.betas, |[first, second]| (first, second)),
        eps: table.eps.unwrap_or(defaults.eps),
        micro_batch_tokens: table
            .micro_batch_tokens
            .unwrap_or(defaults.micro_batch_tokens),
        ..defaults
    }
}

fn lines(path: &Path) -> anyhow::Result<Vec<Line>> {
    let lines = lines_of(path)?;
    if lines.is_empty() {
        Err(wrong(format!("`{}` has no examples", path.display())))
    } else {
        Ok(lines)
    }
}

fn lines_of(path: &Path) -> anyhow::Result<Vec<Line>> {
    let file = fs::File::open(path).with_context(|| format!("open `{}`", path.display()))?;
    read_lines(BufReader::new(file), Line::check).with_context(|| format!("`{}`", path.display()))
}

fn tokenizer(args: &Fit) -> anyhow::Result<ChatTokenizer> {
    load_tokenizer(args.base.source(), &args.base.models, &args.chat.chat()?).map_err(|error| {
        match error {
            Error::Chat { .. } => wrong(error),
            error => error.into(),
        }
    })
}

fn examples(
    lines: Vec<Line>,
    tokenizer: Option<&ChatTokenizer>,
    path: &Path,
) -> anyhow::Result<Vec<Example>> {
    examples_of(lines, tokenizer, Some(path))
}

fn examples_of(
    lines: Vec<Line>,
    tokenizer: Option<&ChatTokenizer>,
    path: Option<&Path>,
) -> anyhow::Result<Vec<Example>> {
    let named = |at: usize, error: Error| {
        wrong(format!(
            "`{}`: example {}: {error}",
            path.unwrap_or(Path::new("")).display(),
            at + 1
        ))
    };
    lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| line.example(tokenizer).map_err(|error| named(at, error)))
        .collect()
}

/// An example that cannot be trained on is the caller's error, named by its place in the file.
fn unfit(error: Error, path: &Path) -> anyhow::Error {
    match error {
        Error::Row { row, reason } => wrong(format!(
            "`{}`: example {}: {reason}",
            path.display(),
            row + 1
        )),
        error => error.into(),
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read `{}`", path.display()))
}

/// Writes the adapter's two files and the optimiser's state into `folder`.
fn save(trainer: &Trainer<'_>, folder: &Path) -> anyhow::Result<()> {
    let adapter = trainer.adapter();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("write `{}`", path.display()))
    };
    put("adapter_config.json", adapter.config_file())?;
    put("adapter_model.safetensors", adapter.weights_file())?;
    put(OPTIMISER, &trainer.optimiser_state())
}
