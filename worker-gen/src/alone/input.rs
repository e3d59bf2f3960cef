//! The lines of stdin: prompts to complete, texts to score, and their tokens.

use std::collections::HashMap;

use groklab_model::{ChatTokenizer, Config, Message};
use groklab_runtime::{
    jsonl::{self, Bad, Line},
    tool::Failure,
};
use serde_json::Value;

/// What complaints call the input.
const NAME: &str = "stdin";

/// What a line asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// One message of the user.
    Prompt(String),
    Messages(Vec<Message>),
    /// A text that stands alone, outside any template.
    Text(String),
    Ids(Vec<i64>),
}

/// One line.
pub(super) struct Item {
    pub id: Value,
    pub content: Content,
    line: Line,
}

impl Item {
    pub(super) fn is_ids(&self) -> bool {
        matches!(self.content, Content::Ids(_))
    }
}

/// Prompts to complete.
pub(super) fn prompts(bytes: &[u8]) -> Result<Vec<Item>, Failure> {
    items(bytes, &["prompt", "messages", "input_ids"])
}

/// Texts to score.
pub(super) fn texts(bytes: &[u8]) -> Result<Vec<Item>, Failure> {
    items(bytes, &["input_ids", "text"])
}

fn items(bytes: &[u8], fields: &[&str]) -> Result<Vec<Item>, Failure> {
    let items = jsonl::read(NAME, bytes, |line| {
        let id = line.id()?;
        let content = match line.one_of(fields)? {
            "prompt" => Content::Prompt(line.text("prompt")?),
            "messages" => Content::Messages(messages(&line)?),
            "text" => Content::Text(line.text("text")?),
            _ => Content::Ids(line.ids("input_ids")?),
        };
        Ok(Item { id, content, line })
    })?;
    // An answer is known by its id, and what a sample draws depends on it.
    let mut first = HashMap::new();
    let unique = items.into_iter().map(|item| match first.insert(item.id.to_string(), item.line.number) {
        None => Ok(item),
        Some(number) => Err(item.line.wrong("id", &format!("line {number} has it too; give every line its own"))),
    });
    jsonl::all(NAME, unique)
}

fn messages(line: &Line) -> Result<Vec<Message>, Bad> {
    let wrong = || line.wrong("messages", "use a list of {\"role\": \"system\", \"user\" or \"assistant\", \"content\": a text}");
    let list = line.get("messages").and_then(Value::as_array).filter(|list| !list.is_empty()).ok_or_else(wrong)?;
    let message = |value: &Value| {
        let role = value["role"].as_str().filter(|role| ["system", "user", "assistant"].contains(role)).ok_or_else(wrong)?;
        let content = value["content"].as_str().ok_or_else(wrong)?;
        Ok(Message { role: role.into(), content: content.into() })
    };
    list.iter().map(message).collect()
}

/// The tokens of every item, each such that `room` more fit behind them.
pub(super) fn encode(items: &[Item], tokenizer: Option<&ChatTokenizer>, config: &Config, room: usize) -> Result<Vec<Vec<i64>>, Failure> {
    let encoded = items.iter().map(|item| {
        let line = &item.line;
        let with = |encode: &dyn Fn(&ChatTokenizer) -> groklab_model::Result<Vec<i64>>| {
            encode(tokenizer.expect("texts are not read without a tokenizer")).map_err(|error| line.bad(error.to_string()))
        };
        let ids = match &item.content {
            Content::Prompt(text) => with(&|tokenizer| tokenizer.encode_prompt(text))?,
            Content::Messages(messages) => with(&|tokenizer| tokenizer.encode_messages(messages))?,
            Content::Text(text) => with(&|tokenizer| tokenizer.encode_alone(text))?,
            Content::Ids(ids) => ids.clone(),
        };
        fits(line, ids, config, room)
    });
    jsonl::all(NAME, encoded)
}

fn fits(line: &Line, ids: Vec<i64>, config: &Config, room: usize) -> Result<Vec<i64>, Bad> {
    let longest = usize::try_from(config.max_positions).unwrap_or(usize::MAX);
    if let Some(id) = ids.iter().find(|id| !(0..config.vocab_size).contains(*id)) {
        return Err(line.wrong("input_ids", &format!("{id} is not in the model's vocabulary: use 0 to {}", config.vocab_size - 1)));
    }
    if ids.is_empty() || ids.len() + room > longest {
        let new = if room > 0 { format!(" and {room} new ones (--max-new-tokens)") } else { String::new() };
        return Err(line.bad(format!("has {} tokens{new}: the model takes 1 to {longest}, shorten it", ids.len())));
    }
    Ok(ids)
}
