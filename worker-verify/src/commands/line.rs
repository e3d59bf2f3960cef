//! One line of `check`'s input. Refuses whatever can't be meant, with a reason: a value that no candidate could get or return would
//! otherwise be held against the candidate, or look like a failure of ours.

use std::{collections::HashSet, time::Duration};

use groklab_domain::{Value, candidate::Candidate};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::jail::watch::RESULT_BYTES;
use crate::judge::verify::{Case, Submission};
use crate::sandbox::Limits;
use crate::wire::seen::{shorten, write_value};

/// Longest line that is read, bytes.
pub const MAX_LINE: usize = 256 << 20;
/// Most cases of one candidate: the shortest answers to many more would not fit into what is accepted from one run.
const MAX_CASES: usize = 100_000;
/// Deepest nesting and largest encoding of a value that `runner.py` sends, with room for what is around it.
const MAX_DEPTH: usize = 63;
const MAX_ANSWER: usize = (1 << 20) - 64;
/// Most items of a list, tuple or dictionary and largest integer, bytes, that it sends.
const MAX_ITEMS: usize = 100_000;
const MAX_INT_BYTES: u64 = 1 << 16;
/// What a frame adds to an answer, and the frames around all answers.
const FRAME: usize = 17;
const FRAMES: usize = 64;

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
    if line.len() > MAX_LINE {
        return Err(format!("the line is longer than {} MiB", MAX_LINE >> 20));
    }
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err("expected an object at the beginning of the line".to_owned());
    }
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| explain(line, &error))?;
    let (text, is_code) = match (line.code, line.text) {
        (Some(code), None) => (code, true),
        (None, Some(text)) => (text, false),
        _ => return Err("exactly one of `code` and `text` is needed".to_owned()),
    };
    let defaults = Limits::default();
    let limits = Limits {
        cpu: whole("timeout_ms", line.timeout_ms)?.map_or(defaults.cpu, Duration::from_millis),
        memory_bytes: whole("memory_mb", line.memory_mb)?
            .map_or(defaults.memory_bytes, |mb| mb.saturating_mul(1 << 20)),
        ..defaults
    };
    limits.check().map_err(|error| error.to_string())?;
    if !is_name(&line.entry) {
        return Err(format!(
            "entry: `{}` is no name of a function; only one that the module itself has can be called",
            shorten(&line.entry, 40)
        ));
    }
    let cases = read_cases(&line.cases)?;
    let candidate = (!is_code).then(|| Candidate::of(text.as_bytes(), &line.entry));
    Ok((
        line.id,
        Submission {
            text: text.into_bytes(),
            candidate,
            entry: line.entry,
            cases,
            limits,
        },
    ))
}

fn read_cases(written: &[&RawValue]) -> Result<Vec<Case>, String> {
    if written.is_empty() {
        return Err("cases: there is none, so nothing would be verified".to_owned());
    }
    if written.len() > MAX_CASES {
        return Err(format!("{} cases are more than {MAX_CASES}", written.len()));
    }
    let cases: Vec<LineCase> = written
        .iter()
        .enumerate()
        .map(|(place, case)| read_case(place, case))
        .collect::<Result<_, _>>()?;
    for case in &cases {
        case.args
            .iter()
            .chain([&case.expected])
            .try_for_each(|value| check_value(value, 0))?;
    }
    check_answers(cases.iter().map(|case| &case.expected))?;
    Ok(cases
        .into_iter()
        .map(|case| Case {
            args: case.args,
            expected: case.expected,
            visible: false,
        })
        .collect())
}

/// One case: an object, not its fields in a row, of which nobody could tell which they are.
fn read_case(place: usize, case: &RawValue) -> Result<LineCase, String> {
    if !case.get().starts_with('{') {
        return Err(format!(
            "case {place}: expected an object with `args` and `expected`"
        ));
    }
    serde_json::from_str(case.get()).map_err(|error| {
        // The place is one in this case.
        let place_in_it = format!(" at line {} column {}", error.line(), error.column());
        format!(
            "case {place}: {}",
            error.to_string().replace(&place_in_it, "")
        )
    })
}

/// The parser's error. The text of a line is line 1 to its parser; what Python writes and JSON has no words for gets its name.
fn explain(line: &[u8], error: &serde_json::Error) -> String {
    let text = error
        .to_string()
        .replace(" at line 1 column ", " at column ");
    let forms: [(&[u8], &str); 3] = [
        (b"-Infinity", "-inf"),
        (b"Infinity", "inf"),
        (b"NaN", "nan"),
    ];
    // The parser is at the first character that it can't use, or behind it.
    let places =
        (error.column().saturating_sub(2)..=error.column()).filter_map(|place| line.get(place..));
    let found = places
        .flat_map(|rest| {
            forms
                .into_iter()
                .filter(move |(word, _)| rest.starts_with(word))
        })
        .next();
    match found {
        Some((word, form)) if error.is_syntax() => {
            format!(
                "{text}: `{}` is not JSON; write `{{\"$float\": \"{form}\"}}`",
                String::from_utf8_lossy(word)
            )
        }
        _ => text,
    }
}

/// Whether a function can have this name, as far as that can be told without Python.
fn is_name(entry: &str) -> bool {
    let letter = |c: char| c == '_' || c.is_alphabetic();
    entry.starts_with(letter)
        && entry
            .chars()
            .all(|c| c == '_' || c.is_alphanumeric() || !c.is_ascii())
}

/// A limit as it was written, if it was.
fn whole(name: &str, value: Option<Value>) -> Result<Option<u64>, String> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Int(n)) if u64::try_from(&n).is_ok() => Ok(u64::try_from(&n).ok()),
        Some(other) => Err(format!(
            "{name}: `{}` is not a whole number from 0 to {}",
            shorten(&other.python(), 40),
            u64::MAX
        )),
    }
}

/// Whether the runner can make this value, or show it: Python has no dictionaries with keys that can be changed.
fn check_value(value: &Value, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("a value nests deeper than {MAX_DEPTH}"));
    }
    match value {
        Value::List(items) | Value::Tuple(items) => items
            .iter()
            .try_for_each(|item| check_value(item, depth + 1)),
        Value::Dict(pairs) => {
            let mut keys = HashSet::new();
            pairs.iter().try_for_each(|(key, value)| {
                let refuse = |why: &str| Err(format!("`{}` {why}", shorten(&key.python(), 40)));
                if !is_hashable(key) {
                    return refuse("can't be a key of a dictionary");
                }
                check_value(key, depth + 1)?;
                check_value(value, depth + 1)?;
                if keys.insert(encoded(&as_key(key))) {
                    Ok(())
                } else {
                    refuse("is a key that the dictionary has already")
                }
            })
        }
        _ => Ok(()),
    }
}

/// Whether a candidate could return them all.
fn check_answers<'a>(expected: impl Iterator<Item = &'a Value>) -> Result<(), String> {
    let mut total = FRAMES;
    for value in expected {
        check_parts(value)?;
        let bytes = encoded(value).len();
        if bytes > MAX_ANSWER {
            return Err(format!(
                "an expected value of {bytes} bytes is larger than the {MAX_ANSWER} that can be returned"
            ));
        }
        total += FRAME + bytes;
    }
    if total > RESULT_BYTES {
        return Err(format!(
            "expected values of {total} bytes together are larger than the {RESULT_BYTES} that can be returned"
        ));
    }
    Ok(())
}

/// Whether a candidate could return each part of it, and that part be right.
fn check_parts(value: &Value) -> Result<(), String> {
    let few = |count: usize| {
        if count > MAX_ITEMS {
            Err(format!(
                "{count} items are more than the {MAX_ITEMS} that can be returned"
            ))
        } else {
            Ok(())
        }
    };
    match value {
        Value::Float(x) if x.is_nan() => {
            Err("nan is expected, to which nothing is equal".to_owned())
        }
        // The runner sends a sign too.
        Value::Int(n) if n.bits() / 8 + 1 > MAX_INT_BYTES => Err(format!(
            "an integer of {} bits is larger than can be returned",
            n.bits()
        )),
        Value::List(items) | Value::Tuple(items) => {
            few(items.len()).and_then(|()| items.iter().try_for_each(check_parts))
        }
        Value::Dict(pairs) => {
            few(pairs.len())?;
            pairs
                .iter()
                .try_for_each(|(key, value)| check_parts(key).and_then(|()| check_parts(value)))
        }
        _ => Ok(()),
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_value(value, &mut bytes);
    bytes
}

/// The same for all keys that Python holds equal: `1`, `1.0` and `True`.
fn as_key(key: &Value) -> Value {
    match key {
        Value::Bool(b) => Value::int(u8::from(*b)),
        Value::Float(x) if x.fract() == 0.0 => format!("{x:.0}")
            .parse()
            .map_or_else(|_| key.clone(), Value::Int),
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
