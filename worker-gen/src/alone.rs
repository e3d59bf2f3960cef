//! `generate` and `score`: the model on lines of standard input, without a coordinator.

use std::{ops::ControlFlow, path::PathBuf, time::Instant};

use groklab_domain::{finding::Level, seed};
use groklab_model::{
    Adapter, Applied, ChatTokenizer, Completion, Error, Finish, Message, Model, Placement,
    Progress, Request, Row, Sampling, Stop, examine, load_tokenizer, score, set_threads,
};
use groklab_runtime::{
    offline::{bar, peak_memory_mb, read_lines, write_line, wrong},
    output::{self, complain},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::{Doctor, Generate, Score, Source};

/// A line of `generate`'s input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prompt {
    id: Value,
    prompt: Option<String>,
    messages: Option<Vec<Turn>>,
    input_ids: Option<Vec<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    role: String,
    content: String,
}

/// A line of `score`'s input.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    id: Value,
    input_ids: Option<Vec<i64>>,
    text: Option<String>,
}

/// One of these fields must be there.
fn exactly_one(there: &[bool], names: &str) -> Result<(), String> {
    if there.iter().filter(|there| **there).count() == 1 {
        Ok(())
    } else {
        Err(format!("exactly one of {names} is wanted"))
    }
}

/// Writes completions for the prompts on standard input.
pub fn generate(args: &Generate) -> anyhow::Result<()> {
    let prompts: Vec<Prompt> = read_lines(std::io::stdin().lock(), |line: &Prompt| {
        exactly_one(
            &[
                line.prompt.is_some(),
                line.messages.is_some(),
                line.input_ids.is_some(),
            ],
            "`prompt`, `messages` and `input_ids`",
        )?;
        if line.messages.as_ref().is_some_and(Vec::is_empty) {
            Err("`messages` is empty".into())
        } else {
            Ok(())
        }
    })?;
    let tokenizer = tokenizer(&args.source)?;
    // All prompts before the weights: a wrong one is refused before the model is loaded.
    let rows = rows(&prompts, args, &tokenizer)?;
    let loaded = Loaded::new(&args.source)?;
    let start = Instant::now();
    let shown = bar(rows.len() as u64, "completions");
    let mut progress = |now: Progress| {
        shown.set_position(now.finished_rows as u64);
        shown.set_message(format!(
            "{:.0} tokens/s",
            now.new_tokens as f64 / start.elapsed().as_secs_f64()
        ));
        ControlFlow::Continue(())
    };
    let sampling = Sampling {
        temperature: args.temperature,
        top_p: args.top_p,
        max_new_tokens: args.max_new_tokens,
    };
    let end_tokens = if args.ignore_eos {
        Default::default()
    } else {
        tokenizer.end_tokens().clone()
    };
    let stop = Stop {
        end_tokens,
        tokenizer: Some(&tokenizer),
    };
    let request = Request {
        rows: &rows,
        sampling,
        stop,
        share_prefixes: !args.no_prefix_sharing,
    };
    let samples = args.samples as usize;
    let written = groklab_model::generate(
        &loaded.model,
        loaded.applied.as_ref(),
        &request,
        &mut progress,
    );
    // Before an error is printed, which goes to standard error as the bar does.
    shown.finish_and_clear();
    let completions = written
        .map_err(|error| refusal(error, |row| format!("prompt {}", prompts[row / samples].id)))?;
    let seconds = start.elapsed().as_secs_f64();
    let tokens: usize = completions
        .iter()
        .map(|completion| completion.ids.len())
        .sum();
    for (at, completion) in completions.into_iter().enumerate() {
        write_line(&line(&prompts[at / samples].id, at % samples, completion))?;
    }
    loaded.summary(json!({
        "prompts": prompts.len(), "completions": rows.len(), "tokens": tokens,
        "seconds": seconds, "tokens_per_second": tokens as f64 / seconds,
    }));
    Ok(())
}

/// All samples of a prompt stand together. A row's seed depends on the id and the sample alone, not
/// on the prompt's place.
fn rows(
    prompts: &[Prompt],
    args: &Generate,
    tokenizer: &ChatTokenizer,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for prompt in prompts {
        let encoded = match (&prompt.input_ids, &prompt.prompt, &prompt.messages) {
            (Some(ids), ..) => Ok(ids.clone()),
            (_, Some(text), _) => tokenizer.encode_prompt(text),
            (.., turns) => {
                tokenizer.encode_messages(&turns.iter().flatten().map(message).collect::<Vec<_>>())
            }
        };
        let prompt_ids =
            encoded.map_err(|error| wrong(format!("prompt {}: {error}", prompt.id)))?;
        let id = prompt.id.to_string();
        rows.extend((0..args.samples).map(|sample| Row {
            prompt_ids: prompt_ids.clone(),
            seed: seed::derive(
                args.seed,
                &[b"generate", id.as_bytes(), &sample.to_le_bytes()],
            ),
            // No function is asked for: a completion ends at an end token or at the limit.
            entry: None,
        }));
    }
    Ok(rows)
}

fn message(turn: &Turn) -> Message {
    Message {
        role: turn.role.clone(),
        content: turn.content.clone(),
    }
}

fn line(id: &Value, sample: usize, completion: Completion) -> Value {
    json!({
        // A completion may be cut within a character, which JSON cannot hold; `token_ids` is exact.
        "id": id, "sample": sample, "text": String::from_utf8_lossy(&completion.bytes),
        "tokens": completion.ids.len(),
        "finish": if completion.finish == Finish::Length { "length" } else { "stop" },
        "mean_logprob": completion.mean_logprob, "token_ids": completion.ids,
    })
}

/// Writes the log-probabilities of the sequences on standard input.
pub fn score_lines(args: &Score) -> anyhow::Result<()> {
    let lines: Vec<Sequence> = read_lines(std::io::stdin().lock(), |line: &Sequence| {
        exactly_one(
            &[line.input_ids.is_some(), line.text.is_some()],
            "`input_ids` and `text`",
        )
    })?;
    // Sequences of ids need no tokenizer, and there are models without one.
    let tokenizer = if lines.iter().any(|line| line.text.is_some()) {
        Some(tokenizer(&args.source)?)
    } else {
        None
    };
    let loaded = Loaded::new(&args.source)?;
    let ids = |line: &Sequence| match (&line.text, &tokenizer) {
        (Some(text), Some(tokenizer)) => tokenizer.encode_raw(text),
        _ => Ok(line.input_ids.clone().unwrap_or_default()),
    };
    let named =
        |line: &Sequence| ids(line).map_err(|error| wrong(format!("text {}: {error}", line.id)));
    let sequences = lines
        .iter()
        .map(named)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let start = Instant::now();
    let shown = bar(sequences.len() as u64, "sequences");
    let mut done = |count: usize| shown.set_position(count as u64);
    let scored = score(
        &loaded.model,
        loaded.applied.as_ref(),
        &sequences,
        &mut done,
    );
    shown.finish_and_clear();
    let scored = scored.map_err(|error| refusal(error, |row| format!("text {}", lines[row].id)))?;
    let (seconds, tokens) = (
        start.elapsed().as_secs_f64(),
        sequences.iter().map(Vec::len).sum::<usize>(),
    );
    for (line, scored) in lines.iter().zip(scored) {
        let mut out = json!({"id": line.id, "logprobs": scored.logprobs});
        if args.best {
            out["best_logprobs"] = json!(scored.best_logprobs);
        }
        if args.logits {
            out["last_logits"] = json!(scored.last_logits);
        }
        write_line(&out)?;
    }
    loaded.summary(json!({
        "sequences": sequences.len(), "tokens": tokens, "seconds": seconds,
        "tokens_per_second": tokens as f64 / seconds,
    }));
    Ok(())
}

/// Writes what there is to compute with.
pub fn doctor(args: &Doctor) -> anyhow::Result<()> {
    let findings = examine(args.device, args.kind);
    for finding in &findings {
        output::line(finding.shown(args.json))?;
    }
    let missing = findings.iter().any(|found| found.level == Level::Missing);
    anyhow::ensure!(!missing, "a worker cannot start here");
    Ok(())
}

/// The tokenizer of the model that the command line names.
fn tokenizer(source: &Source) -> anyhow::Result<ChatTokenizer> {
    load_tokenizer(source.named(), &source.models, &source.chat.chat()?).map_err(
        |error| match error {
            // `--system`, `--chat` or `--chat-template` asks for what the template does not know.
            Error::Chat { .. } => wrong(error),
            error => error.into(),
        },
    )
}

/// What the command line names, in memory.
struct Loaded {
    model: Model,
    applied: Option<Applied>,
    load_seconds: f64,
}

impl Loaded {
    fn new(source: &Source) -> anyhow::Result<Self> {
        // Before anything is computed: libtorch is asked for its threads once.
        set_threads(source.threads);
        let start = Instant::now();
        let model = Model::open(
            source.named(),
            &source.models,
            Placement::of(source.device, source.kind)?,
        )?;
        let adapter = source
            .adapter
            .as_ref()
            .map(|folder: &PathBuf| Adapter::open(folder))
            .transpose()?;
        let applied = adapter
            .map(|adapter| Applied::new(&model, &adapter))
            .transpose()?;
        Ok(Self {
            model,
            applied,
            load_seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// One line on standard error.
    fn summary(&self, mut figures: Value) {
        figures["load_seconds"] = json!(self.load_seconds);
        figures["peak_memory_mb"] = json!(peak_memory_mb());
        figures["device"] = json!(self.model.device_description());
        complain(figures.to_string());
    }
}

/// A request that makes no sense is the caller's error; `name` says which line a row came from.
fn refusal(error: Error, name: impl Fn(usize) -> String) -> anyhow::Error {
    match error {
        Error::Request(reason) => wrong(reason),
        Error::Row { row, reason } => wrong(format!("{}: {reason}", name(row))),
        error => match error.row() {
            // Logits that are not finite: the line is named, but it is the weights that are wrong.
            Some(row) => anyhow::Error::new(error).context(name(row)),
            None => error.into(),
        },
    }
}
