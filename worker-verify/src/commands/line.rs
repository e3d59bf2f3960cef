//! One line of `check`'s input. Refuses whatever can't be meant, with a reason: a value that no
//! candidate could get or return would otherwise be held against the candidate, or look like a
//! failure of ours.

use std::{collections::HashSet, time::Duration};

use groklab_domain::{Value, candidate::Candidate};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    judge::{Case, Submission},
    sandbox::Limits,
    wire::{encode::encoded, frame::MAX_RESULT_BYTES, shorten::shorten},
};

/// Longest line that is read.
pub const MAX_LINE_BYTES: usize = 256 << 20;
/// Most cases of one candidate: the shortest answers to many more would not fit into what is
/// accepted from one run.
const MAX_CASES: usize = 100_000;
/// Deepest nesting and largest encoding of a value that `runner.py` sends, with room for what is
/// around it.
const MAX_DEPTH: usize = 63;
const MAX_ANSWER_BYTES: usize = (1 << 20) - 64;
/// Most items of a list, tuple or dictionary and largest integer that it sends.
const MAX_ITEMS: usize = 100_000;
const MAX_INT_BYTES: u64 = 1 << 16;
/// What a frame adds to an answer, and the frames around all answers.
const BYTES_PER_FRAME: usize = 17;
const BYTES_AROUND_ALL_FRAMES: usize = 64;
/// Characters of a value that a refusal shows.
const MAX_SHOWN_CHARS: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    /// Whatever it is, as it is written.
    id: Box<RawValue>,
    /// Code as it stands.
    #[serde(default)]
    code: Option<String>,
    /// Or a text with code in it.
    #[serde(default)]
    text: Option<String>,
    entry: String,
    #[serde(borrow)]
    cases: Vec<&'a RawValue>,
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

/// Reads one line: its id, which is given back as it is written, and what to verify.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(line: &[u8]) -> Result<(Box<RawValue>, Submission), String> {
    let line = read_line(line)?;
    let (text, is_code) = match (line.code, line.text) {
        (Some(code), None) => (code, true),
        (None, Some(text)) => (text, false),
        _ => return Err("exactly one of `code` and `text` is needed".to_owned()),
    };
    let limits = read_limits(line.timeout_ms, line.memory_mb)?;
    if !is_name(&line.entry) {
        return Err(format!(
            "entry: `{}` is no name of a function; \
             only one that the module itself has can be called",
            shorten(&line.entry, MAX_SHOWN_CHARS)
        ));
    }
    let cases = read_cases(&line.cases)?;
    // What is given as code is run as it stands, prose and all.
    let candidate = if is_code {
        None
    } else {
        Some(Candidate::of(text.as_bytes(), &line.entry))
    };
    let submission = Submission {
        text: text.into_bytes(),
        candidate,
        entry: line.entry,
        cases,
        limits,
    };
    Ok((line.id, submission))
}

fn read_line(line: &[u8]) -> Result<Line<'_>, String> {
    if line.len() > MAX_LINE_BYTES {
        let mib = MAX_LINE_BYTES >> 20;
        return Err(format!("the line is longer than {mib} MiB"));
    }
    // serde would also take an array of the fields in a row.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err("expected an object at the beginning of the line".to_owned());
    }
    serde_json::from_slice(line).map_err(|error| explain(line, &error))
}

fn read_limits(timeout_ms: Option<Value>, memory_mb: Option<Value>) -> Result<Limits, String> {
    let mut limits = Limits::default();
    if let Some(ms) = whole_number("timeout_ms", timeout_ms)? {
        limits.cpu = Duration::from_millis(ms);
    }
    if let Some(mb) = whole_number("memory_mb", memory_mb)? {
        limits.memory_bytes = mb.saturating_mul(1 << 20);
    }
    limits.check().map_err(|error| error.to_string())?;
    Ok(limits)
}

fn read_cases(written: &[&RawValue]) -> Result<Vec<Case>, String> {
    if written.is_empty() {
        return Err("cases: there is none, so nothing would be verified".to_owned());
    }
    if written.len() > MAX_CASES {
        return Err(format!("{} cases are more than {MAX_CASES}", written.len()));
    }
    // All are read before any is checked, so that what is malformed is said first.
    let mut cases = Vec::with_capacity(written.len());
    for (place, case) in written.iter().enumerate() {
        let LineCase { args, expected } = read_case(place, case)?;
        cases.push(Case {
            args,
            expected,
            visible: false,
        });
    }
    for case in &cases {
        for value in case.args.iter().chain([&case.expected]) {
            check_value(value, 0)?;
        }
    }
    check_answers(&cases)?;
    Ok(cases)
}

/// One case. It must be an object: serde would take its fields in a row as well, of which nobody
/// could tell which they are.
fn read_case(place: usize, case: &RawValue) -> Result<LineCase, String> {
    if !case.get().starts_with('{') {
        return Err(format!(
            "case {place}: expected an object with `args` and `expected`"
        ));
    }
    let error = match serde_json::from_str(case.get()) {
        Ok(case) => return Ok(case),
        Err(error) => error,
    };
    // The parser counts from the beginning of this case, which would mislead.
    let place_in_case = format!(" at line {} column {}", error.line(), error.column());
    let reason = error.to_string().replace(&place_in_case, "");
    Err(format!("case {place}: {reason}"))
}

/// The parser's error. The text of a line is line 1 to its parser; numbers that Python writes and
/// JSON has no words for get the form that stands for them.
fn explain(line: &[u8], error: &serde_json::Error) -> String {
    let text = error
        .to_string()
        .replace(" at line 1 column ", " at column ");
    match python_number_at(line, error.column()) {
        Some((word, form)) if error.is_syntax() => {
            format!("{text}: `{word}` is not JSON; write `{{\"$float\": \"{form}\"}}`")
        }
        _ => text,
    }
}

/// A word for a number that Python writes where the parser stopped, and its form in a tag.
fn python_number_at(line: &[u8], column: usize) -> Option<(&'static str, &'static str)> {
    // The parser stops at the first character that it can't use, or behind it.
    for place in column.saturating_sub(2)..=column {
        let rest = line.get(place..).unwrap_or_default();
        for (word, form) in [("-Infinity", "-inf"), ("Infinity", "inf"), ("NaN", "nan")] {
            if rest.starts_with(word.as_bytes()) {
                return Some((word, form));
            }
        }
    }
    None
}

/// Whether a function can have this name, as far as that can be told without Python.
fn is_name(entry: &str) -> bool {
    let mut characters = entry.chars();
    let Some(first) = characters.next() else {
        return false;
    };
    // Outside ASCII, Python knows more characters of names than are alphanumeric.
    (first == '_' || first.is_alphabetic())
        && characters.all(|c| c == '_' || c.is_alphanumeric() || !c.is_ascii())
}

/// A limit as it was written, if it was.
fn whole_number(name: &str, value: Option<Value>) -> Result<Option<u64>, String> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Int(n)) if u64::try_from(&n).is_ok() => Ok(u64::try_from(&n).ok()),
        Some(other) => Err(format!(
            "{name}: `{}` is not a whole number from 0 to {}",
            shorten(&other.python(), MAX_SHOWN_CHARS),
            u64::MAX
        )),
    }
}

/// Whether the runner can make this value, or show it.
fn check_value(value: &Value, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("a value nests deeper than {MAX_DEPTH}"));
    }
    match value {
        Value::List(items) | Value::Tuple(items) => {
            for item in items {
                check_value(item, depth + 1)?;
            }
        }
        Value::Dict(pairs) => {
            let mut keys = HashSet::new();
            for (key, value) in pairs {
                // Python has no dictionaries with keys that can be changed.
                if !is_hashable(key) {
                    return Err(refused_key(key, "can't be a key of a dictionary"));
                }
                check_value(key, depth + 1)?;
                check_value(value, depth + 1)?;
                if !keys.insert(encoded(&as_key(key))) {
                    return Err(refused_key(key, "is a key that the dictionary has already"));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn refused_key(key: &Value, why: &str) -> String {
    format!("`{}` {why}", shorten(&key.python(), MAX_SHOWN_CHARS))
}

/// Whether a candidate could return all that is expected.
fn check_answers(cases: &[Case]) -> Result<(), String> {
    let mut total = BYTES_AROUND_ALL_FRAMES;
    for case in cases {
        check_parts(&case.expected)?;
        let bytes = encoded(&case.expected).len();
        if bytes > MAX_ANSWER_BYTES {
            return Err(format!(
                "an expected value of {bytes} bytes is larger than the {MAX_ANSWER_BYTES} \
                 that can be returned"
            ));
        }
        total += BYTES_PER_FRAME + bytes;
    }
    if total > MAX_RESULT_BYTES {
        return Err(format!(
            "expected values of {total} bytes together are larger than the {MAX_RESULT_BYTES} \
             that can be returned"
        ));
    }
    Ok(())
}

/// Whether a candidate could return each part of it, and that part be right.
fn check_parts(value: &Value) -> Result<(), String> {
    match value {
        Value::Float(x) if x.is_nan() => {
            return Err("nan is expected, to which nothing is equal".to_owned());
        }
        // The runner sends a sign too.
        Value::Int(n) if n.bits() / 8 + 1 > MAX_INT_BYTES => {
            let bits = n.bits();
            return Err(format!(
                "an integer of {bits} bits is larger than can be returned"
            ));
        }
        Value::List(items) | Value::Tuple(items) => {
            check_count(items.len())?;
            for item in items {
                check_parts(item)?;
            }
        }
        Value::Dict(pairs) => {
            check_count(pairs.len())?;
            for (key, value) in pairs {
                check_parts(key)?;
                check_parts(value)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), String> {
    if count > MAX_ITEMS {
        return Err(format!(
            "{count} items are more than the {MAX_ITEMS} that can be returned"
        ));
    }
    Ok(())
}

/// The same for all keys that Python holds equal: `1`, `1.0` and `True`.
fn as_key(key: &Value) -> Value {
    match key {
        // Python holds `True` and `1` to be the same key.
        Value::Bool(b) => Value::int(u8::from(*b)),
        Value::Float(x) if x.fract() == 0.0 => match format!("{x:.0}").parse() {
            Ok(integer) => Value::Int(integer),
            Err(_) => key.clone(),
        },
        Value::Tuple(items) => Value::Tuple(items.iter().map(as_key).collect()),
        other => other.clone(),
    }
}

fn is_hashable(key: &Value) -> bool {
    match key {
        Value::List(_) | Value::Dict(_) => false,
        Value::Tuple(items) => items.iter().all(is_hashable),
        _ => true,
    }
}
