//! Text to token ids and back: chat templates, prompts in which user text never becomes a special
//! token, byte-exact decoding.

mod bytes;
mod jinja;
mod template;
mod tokenizer;

use std::collections::BTreeMap;

pub(crate) use bytes::character;

pub use tokenizer::ChatTokenizer;

use crate::error::Result;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Such as `system`, `user` or `assistant`; the template says which it knows.
    pub role: String,
    pub content: String,
}

/// What a tokenizer is made from, wherever it was found.
pub(crate) struct Parts {
    pub tokenizer_json: Vec<u8>,
    /// A jinja chat template; a model without one gets its prompts as they are. It matters only
    /// where the experiment brings none that one which cannot be read is an error.
    pub template: Result<Option<String>>,
    /// The texts of special tokens by their names, such as `bos_token`; templates may use them.
    pub special_tokens: BTreeMap<&'static str, String>,
    /// Which tokens text gets at its ends, where that is not left to `tokenizer.json`.
    pub edges: Option<Edges>,
    pub end_tokens: Vec<i64>,
}

/// Tokens that plain text gets, but no prompt made by a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edges {
    pub bos: bool,
    pub eos: bool,
}

impl Parts {
    pub(crate) fn special_token(&self, name: &str) -> Option<&str> {
        self.special_tokens.get(name).map(String::as_str)
    }
}
