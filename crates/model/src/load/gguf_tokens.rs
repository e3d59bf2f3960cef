//! The tokens of a GGUF, as both kinds of tokenizers list them.

use serde_json::{Value, json};

use super::gguf::{Gguf, Meta};
use crate::error::{Error, Result};

/// Token types of GGUF that are not ordinary text.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// Those that are found in a text before it is taken apart.
pub(super) fn added_tokens(gguf: &Gguf, tokens: &[&str]) -> Result<Vec<Value>> {
    let kinds = token_types(gguf, tokens.len())?;
    let mut added = Vec::new();
    for (id, (content, kind)) in tokens.iter().zip(kinds).enumerate() {
        if matches!(kind, CONTROL | USER_DEFINED) {
            added.push(json!({"id": id, "content": content, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
                "special": kind == CONTROL}));
        }
    }
    Ok(added)
}

/// What each token is, one number per token.
fn token_types(gguf: &Gguf, count: usize) -> Result<Vec<i64>> {
    let key = "tokenizer.ggml.token_type";
    let wrong = || Error::Tokenizer {
        what: "GGUF tokenizer",
        reason: format!("`{key}` is not a list of {count} whole numbers"),
    };
    let Some(Meta::List(items)) = gguf.meta(key) else {
        return Err(wrong());
    };
    let kinds = items.iter().map(|item| {
        if let Meta::Integer(kind) = item {
            Some(*kind)
        } else {
            None
        }
    });
    kinds
        .collect::<Option<Vec<i64>>>()
        .filter(|kinds| kinds.len() == count)
        .ok_or_else(wrong)
}

pub(super) fn texts<'a>(gguf: &'a Gguf, key: &str) -> Result<Vec<&'a str>> {
    let missing = || Error::Tokenizer {
        what: "GGUF tokenizer",
        reason: format!("no list of texts `{key}`"),
    };
    let Some(Meta::List(items)) = gguf.meta(key) else {
        return Err(missing());
    };
    items
        .iter()
        .map(|item| {
            if let Meta::Text(text) = item {
                Ok(text.as_str())
            } else {
                Err(missing())
            }
        })
        .collect()
}
