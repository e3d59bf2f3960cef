//! `worker-gen generate`: prompts in, completions out.

use std::{borrow::Cow, collections::BTreeSet, ops::ControlFlow, time::Instant};

use groklab_domain::seed;
use groklab_model::{Completion, Finish, Request, Row, Sampling, Stop};
use groklab_runtime::tool::{self, Failure};
use serde::Serialize;
use serde_json::Value;

use super::{Lines, failure, input, input::Item, rounded, say, source::Opened};
use crate::config::Generate;

/// Rows whose completions are written together where `--batch` doesn't say: enough to keep 64 in work, few enough to lose little to an interrupt.
const GROUP: usize = 1024;

/// Completes every prompt on stdin.
///
/// # Errors
/// Input, model or adapter cannot be used; memory; a closed stdout; interrupted. Completed groups are then on stdout.
pub fn generate(args: &Generate) -> Result<(), Failure> {
    let items = input::prompts(&tool::stdin()?)?;
    if args.samples > 1 && args.temperature == 0.0 {
        tool::say(format_args!("worker-gen: note: --temperature 0 is greedy: all {} samples of a prompt will be the same", args.samples));
    }
    let opened = Opened::new(&args.source, !items.iter().all(Item::is_ids))?;
    let prompts = input::encode(&items, opened.tokenizer.as_ref(), opened.checkpoint.config(), args.max_new_tokens as usize)?;
    if items.is_empty() {
        say(&Totals::default());
        return Ok(());
    }
    let rows = rows(args, &items, prompts);
    let stop = tool::Stop::on_signals()?;
    let loaded = opened.load()?;
    let begun = Instant::now();
    let mut totals = Totals { prompts: items.len(), load_seconds: rounded(loaded.seconds), ..Totals::default() };
    let mut lines = Lines::new();
    let group = args.batch.map_or(GROUP, |batch| batch as usize);
    for (first, rows) in rows.chunks(group).enumerate().map(|(at, rows)| (at * group, rows)) {
        let request = Request { rows, sampling: sampling(args), stop: stop_at(args, &opened) };
        let mut alive = |_| if stop.asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let completions = groklab_model::generate(&loaded.model, loaded.applied.as_ref(), &request, &mut alive).map_err(failure)?;
        for (row, completion) in (first..).zip(&completions) {
            let (item, sample) = (&items[row / args.samples as usize], row % args.samples as usize);
            lines.write(&Answer::new(&item.id, sample, completion, opened.tokenizer.is_some()))?;
            totals.tokens += completion.ids.len();
        }
        lines.flush()?;
        totals.completions += completions.len();
    }
    let seconds = begun.elapsed().as_secs_f64();
    (totals.seconds, totals.tokens_per_second) = (rounded(seconds), rounded(totals.tokens as f64 / seconds));
    totals.peak_memory_mb = tool::peak_memory_mb();
    say(&totals);
    Ok(())
}

fn sampling(args: &Generate) -> Sampling {
    Sampling { temperature: args.temperature, top_p: args.top_p, max_new_tokens: args.max_new_tokens as usize }
}

/// At end tokens alone: what a closed code block means is the loop's affair.
fn stop_at<'a>(args: &Generate, opened: &'a Opened) -> Stop<'a> {
    let end_tokens = match &opened.tokenizer {
        _ if args.ignore_eos => BTreeSet::new(),
        Some(tokenizer) => tokenizer.end_tokens().clone(),
        None => opened.checkpoint.config().end_tokens.iter().copied().collect(),
    };
    Stop { end_tokens, tokenizer: opened.tokenizer.as_ref(), closing_fence: false }
}

/// All samples of a prompt stand together.
fn rows(args: &Generate, items: &[Item], prompts: Vec<Vec<i64>>) -> Vec<Row> {
    let of = |(item, prompt_ids): (&Item, Vec<i64>)| {
        let id = item.id.to_string();
        let seed = move |sample: u32| seed::derive(args.seed, &[b"alone", id.as_bytes(), &sample.to_le_bytes()]);
        (0..args.samples).map(move |sample| Row { prompt_ids: prompt_ids.clone(), seed: seed(sample) })
    };
    items.iter().zip(prompts).flat_map(of).collect()
}

/// A line of the output.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Value,
    sample: usize,
    /// None without a tokenizer.
    text: Option<Cow<'a, str>>,
    tokens: &'a [i64],
    finish: &'static str,
    mean_logprob: f64,
}

impl<'a> Answer<'a> {
    fn new(id: &'a Value, sample: usize, completion: &'a Completion, has_text: bool) -> Self {
        Self {
            id,
            sample,
            text: has_text.then(|| String::from_utf8_lossy(&completion.bytes)),
            tokens: &completion.ids,
            finish: if completion.finish == Finish::Length { "length" } else { "stop" },
            mean_logprob: completion.mean_logprob,
        }
    }
}

/// What was done: the line that sums up.
#[derive(Default, Serialize)]
struct Totals {
    prompts: usize,
    completions: usize,
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
    load_seconds: f64,
    peak_memory_mb: Option<f64>,
}
