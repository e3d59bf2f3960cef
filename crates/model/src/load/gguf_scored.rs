//! A SentencePiece tokenizer in a GGUF: tokens with scores in place of merges. It becomes the
//! `tokenizer.json` that transformers makes of it (`GemmaConverter`): those neighbours are merged
//! first that make the token of the highest score. Tokens that somebody defined, such as runs of
//! spaces, are found before.

use std::{cmp::Reverse, collections::HashMap};

use serde_json::{Value, json};

use super::{
    gguf::{Gguf, Meta},
    gguf_tokens::added_tokens,
};
use crate::error::{Error, Result};

const SCORES: &str = "tokenizer.ggml.scores";
/// What SentencePiece writes for a space.
const SPACE: &str = "\u{2581}";

/// # Errors
/// Scores are missing, or texts begin with a space of their own, as those of a Llama 2 do.
pub(super) fn tokenizer_json(gguf: &Gguf, tokens: &[&str]) -> Result<Value> {
    if gguf.flag("tokenizer.ggml.add_space_prefix")? != Some(false) {
        return Err(Error::Unsupported {
            what: "tokenizer.ggml.add_space_prefix",
            value: "true".into(),
            supported: "false; or use the Hugging Face folder",
        });
    }
    let scores = scores(gguf, tokens.len())?;
    let mut vocab = serde_json::Map::new();
    for (id, name) in tokens.iter().enumerate() {
        vocab.insert((*name).to_owned(), id.into());
    }
    let unknown = gguf.integer("tokenizer.ggml.unknown_token_id")?;
    let unknown = unknown.and_then(|id| tokens.get(usize::try_from(id).ok()?));
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added_tokens(gguf, tokens)?,
        "normalizer": replace(" ", SPACE), "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders":
            [replace(SPACE, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": unknown,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true,
            "byte_fallback": true, "ignore_merges": false, "vocab": vocab,
            "merges": merges(tokens, &scores)},
    }))
}

fn replace(from: &str, to: &str) -> Value {
    json!({"type": "Replace", "pattern": {"String": from}, "content": to})
}

/// Pairs of tokens that make a token, those of the highest score first.
fn merges(names: &[&str], scores: &[f64]) -> Vec<[String; 2]> {
    let ids: HashMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(id, name)| (*name, id))
        .collect();
    let mut found = Vec::new();
    for (name, score) in names.iter().zip(scores) {
        let mut pairs = Vec::new();
        for (at, _) in name.char_indices().skip(1) {
            let (left, right) = name.split_at(at);
            if let (Some(first), Some(second)) = (ids.get(left), ids.get(right)) {
                pairs.push((*first, *second));
            }
        }
        pairs.sort_unstable();
        found.extend(pairs.into_iter().map(|pair| (*score, pair)));
    }
    // Stable, so that of equal ones the token with the lower id comes first.
    found.sort_by(|(one, a), (other, b)| {
        let lengths = |pair: &(usize, usize)| {
            Reverse((names[pair.0].chars().count(), names[pair.1].chars().count()))
        };
        other
            .total_cmp(one)
            .then_with(|| lengths(a).cmp(&lengths(b)))
    });
    let texts =
        |(_, (left, right)): (f64, (usize, usize))| [names[left].into(), names[right].into()];
    found.into_iter().map(texts).collect()
}

fn scores(gguf: &Gguf, count: usize) -> Result<Vec<f64>> {
    let wrong = || Error::Tokenizer {
        what: "GGUF tokenizer",
        reason: format!("`{SCORES}` is not a list of {count} numbers"),
    };
    let Some(Meta::List(items)) = gguf.meta(SCORES) else {
        return Err(wrong());
    };
    let mut scores = Vec::new();
    for item in items {
        match item {
            Meta::Float(score) if !score.is_nan() => scores.push(*score),
            _ => return Err(wrong()),
        }
    }
    if scores.len() == count {
        Ok(scores)
    } else {
        Err(wrong())
    }
}
