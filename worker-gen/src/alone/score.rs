//! `worker-gen score`: texts in, log-probabilities out.

use std::{ops::ControlFlow, time::Instant};

use groklab_runtime::tool::{self, Failure};
use serde_json::json;

use super::{Lines, failure, input, input::Item, rounded, source::Opened};
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
            let mut line = json!({"id": item.id, "logprobs": score.logprobs});
            if let Some(logits) = score.last_logits {
                line["last_logits"] = logits.into();
            }
            lines.write(&line)?;
        }
        lines.flush()?;
    }
    let (tokens, seconds) = (texts.iter().map(Vec::len).sum::<usize>(), begun.elapsed().as_secs_f64());
    let line = json!({"texts": texts.len(), "tokens": tokens, "seconds": rounded(seconds), "tokens_per_second": rounded(tokens as f64 / seconds),
                      "load_seconds": rounded(loaded.seconds), "peak_memory_mb": tool::peak_memory_mb()});
    tool::say(line);
    Ok(())
}
