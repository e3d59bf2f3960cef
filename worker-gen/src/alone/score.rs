//! `worker-gen score`: texts in, log-probabilities out.

use std::{ops::ControlFlow, time::Instant};

use groklab_runtime::tool::{self, Failure};
use serde::Serialize;
use serde_json::Value;

use super::{Lines, failure, input, input::Item, rounded, say, source::Opened};
use crate::config::Score;

/// Texts whose scores are written together.
const GROUP: usize = 64;

/// Scores every text on stdin.
///
/// # Errors
/// Input, model or adapter cannot be used; memory; a closed stdout; interrupted. Scored groups are then on stdout.
pub fn score(args: &Score) -> Result<(), Failure> {
    let items = input::texts(&tool::stdin()?)?;
    let opened = Opened::new(&args.source, !items.iter().all(Item::is_ids))?;
    let texts = input::encode(&items, opened.tokenizer.as_ref(), opened.checkpoint.config(), 0)?;
    if items.is_empty() {
        return Ok(());
    }
    let stop = tool::Stop::on_signals()?;
    let loaded = opened.load()?;
    let begun = Instant::now();
    let mut lines = Lines::new();
    for (items, texts) in items.chunks(GROUP).zip(texts.chunks(GROUP)) {
        let mut alive = |_| if stop.asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let scores = groklab_model::score(&loaded.model, loaded.applied.as_ref(), texts, args.logits, &mut alive).map_err(failure)?;
        for (item, score) in items.iter().zip(scores) {
            lines.write(&Answer { id: &item.id, logprobs: score.logprobs, last_logits: score.last_logits })?;
        }
        lines.flush()?;
    }
    let (tokens, seconds) = (texts.iter().map(Vec::len).sum::<usize>(), begun.elapsed().as_secs_f64());
    say(&Totals {
        texts: texts.len(),
        tokens,
        seconds: rounded(seconds),
        tokens_per_second: rounded(tokens as f64 / seconds),
        load_seconds: rounded(loaded.seconds),
        peak_memory_mb: tool::peak_memory_mb(),
    });
    Ok(())
}

/// A line of the output.
#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Value,
    logprobs: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_logits: Option<Vec<f32>>,
}

/// What was done: the line that sums up.
#[derive(Serialize)]
struct Totals {
    texts: usize,
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
    load_seconds: f64,
    peak_memory_mb: Option<f64>,
}
