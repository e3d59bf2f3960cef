//! Text to token ids and back: chat templates, prompts in which user text never becomes a special token, byte-exact decoding.

mod bytes;
mod template;
mod tokenizer;

pub(crate) use bytes::character;

pub use tokenizer::ChatTokenizer;

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
    /// A jinja chat template; a model without one gets its prompts as they are.
    pub template: Option<String>,
    pub bos_token: Option<String>,
    pub eos_token: Option<String>,
    pub end_tokens: Vec<i64>,
}
