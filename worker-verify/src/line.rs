//! One line of `check`'s input. Refuses whatever can't be meant, with a reason: a value that no candidate could get or return would
//! otherwise be held against the candidate, or look like a failure of ours.

use std::time::Duration;

use groklab_domain::Value;
use serde::Deserialize;

use crate::{
    integers,
    sandbox::Limits,
    seen::{shorten, write_value},
    verify::{Case, Submission},
};

/// Longest line that is read, bytes.
pub const MAX_LINE: usize = 256 << 20;
/// Most cases of one candidate: the shortest answers to many more would not fit into what is accepted from one run.
const MAX_CASES: usize = 100_000;
/// Deepest nesting and largest encoding of a value that `runner.py` sends, with room for what is around it.
const MAX_DEPTH: usize = 63;
const MAX_ANSWER: usize = (1 << 20) - 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    /// Code as it stands.
    #[serde(default)]
    code: Option<String>,
    /// Or a text with code in it.
    #[serde(default)]
    text: Option<String>,
    entry: String,
    cases: Vec<LineCase>,
    #[serde(default)]
    timeout_ms: Option<Value>,
    #[serde(default)]
    memory_mb: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineCase {
    args: Vec<Value>,
    expected: Value,
}

/// Reads one line: an id and what to verify.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(line: &[u8]) -> Result<(String, Submission), String> {
    if line.len() > MAX_LINE {
        return Err(format!("the line is longer than {} MiB", MAX_LINE >> 20));
    }
    let line: Line = serde_json::from_slice(&integers::tagged(line)).map_err(|error| error.to_string())?;
    let (text, is_code) = match (line.code, line.text) {
        (Some(code), None) => (code, true),
        (None, Some(text)) => (text, false),
        _ => return Err("exactly one of `code` and `text` is needed".to_owned()),
    };
    let defaults = Limits::default();
    let limits = Limits {
        cpu: whole("timeout_ms", line.timeout_ms)?.map_or(defaults.cpu, Duration::from_millis),
        memory_bytes: whole("memory_mb", line.memory_mb)?.map_or(defaults.memory_bytes, |mb| mb.saturating_mul(1 << 20)),
        ..defaults
    };
    limits.check().map_err(|error| error.to_string())?;
    if line.cases.len() > MAX_CASES {
        return Err(format!("{} cases are more than {MAX_CASES}", line.cases.len()));
    }
    for case in &line.cases {
        case.args.iter().chain([&case.expected]).try_for_each(|value| check_value(value, 0))?;
        check_answer(&case.expected)?;
    }
    let cases = line.cases.into_iter().map(|case| Case { args: case.args, expected: case.expected, visible: false }).collect();
    Ok((line.id, Submission { text: text.into_bytes(), is_code, entry: line.entry, cases, limits }))
}

/// A limit as it was written, if it was.
fn whole(name: &str, value: Option<Value>) -> Result<Option<u64>, String> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Int(n)) if u64::try_from(&n).is_ok() => Ok(u64::try_from(&n).ok()),
        Some(other) => Err(format!("{name}: `{}` is not a whole number from 0 to {}", shorten(&other.python(), 40), u64::MAX)),
    }
}

/// Whether the runner can make this value, or show it: Python has no dictionaries with keys that can be changed.
fn check_value(value: &Value, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("a value nests deeper than {MAX_DEPTH}"));
    }
    match value {
        Value::List(items) | Value::Tuple(items) => items.iter().try_for_each(|item| check_value(item, depth + 1)),
        Value::Dict(pairs) => pairs.iter().try_for_each(|(key, value)| match key {
            key if is_hashable(key) => check_value(key, depth + 1).and_then(|()| check_value(value, depth + 1)),
            key => Err(format!("`{}` can't be a key of a dictionary", shorten(&key.python(), 40))),
        }),
        _ => Ok(()),
    }
}

/// Whether a candidate could return it at all.
fn check_answer(expected: &Value) -> Result<(), String> {
    let mut bytes = Vec::new();
    write_value(expected, &mut bytes);
    if bytes.len() > MAX_ANSWER {
        return Err(format!("an expected value of {} bytes is larger than the {MAX_ANSWER} that can be returned", bytes.len()));
    }
    Ok(())
}

fn is_hashable(key: &Value) -> bool {
    match key {
        Value::List(_) | Value::Dict(_) => false,
        Value::Tuple(items) => items.iter().all(is_hashable),
        _ => true,
    }
}
