//! Python values as the problems and verdicts need them: exact by type, ordered, with one JSON form
//! and one Python literal. Never evaluates or parses Python.

mod json;
mod numbers;

use std::fmt::{self, Write as _};

use num_bigint::BigInt;
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value as Json};

use crate::text::shortened;

/// Relative and absolute tolerance within which two floats count as equal.
pub const FLOAT_TOLERANCE: f64 = 1e-9;

/// Characters that an error shows of a text which someone else wrote.
const MAX_SHOWN_CHARS: usize = 60;

/// One Python value. `Bool(true)` never equals `Int(1)`, nor does `Float(1.0)`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(BigInt),
    Float(f64),
    Str(String),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
}

/// Whether each of `wanted` has one of `found` that answers it, and each of `found` one that it
/// answers. No pairs are formed: within the tolerance, a value could be given the partner that its
/// neighbour alone can have.
pub fn answer_each_other<W, F>(
    wanted: &[W],
    found: &[F],
    answers: impl Fn(&W, &F) -> bool,
) -> bool {
    let answers = &answers;
    // As a rule they are in the same order.
    let answered = |(place, want): (usize, &W)| {
        found.get(place).is_some_and(|one| answers(want, one))
            || found.iter().any(|one| answers(want, one))
    };
    let asked = |(place, one): (usize, &F)| {
        wanted.get(place).is_some_and(|want| answers(want, one))
            || wanted.iter().any(|want| answers(want, one))
    };
    wanted.iter().enumerate().all(answered) && found.iter().enumerate().all(asked)
}

impl Value {
    pub fn int(n: impl Into<BigInt>) -> Self {
        Self::Int(n.into())
    }

    pub fn str(text: impl Into<String>) -> Self {
        Self::Str(text.into())
    }

    /// Whether `self`, returned by a candidate, answers `expected`: the same type throughout,
    /// floats within [`FLOAT_TOLERANCE`], NaN equal to nothing, dictionaries without regard to
    /// order.
    pub fn answers(&self, expected: &Value) -> bool {
        match (self, expected) {
            (Self::Float(a), Self::Float(b)) => {
                // An infinite expected value would have an infinite tolerance, and every number
                // would answer it.
                a == b || (b.is_finite() && (a - b).abs() <= FLOAT_TOLERANCE * b.abs().max(1.0))
            }
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.answers(b))
            }
            (Self::Dict(a), Self::Dict(b)) => {
                a.len() == b.len()
                    && answer_each_other(b, a, |(key, want), (k, got)| {
                        k.answers(key) && got.answers(want)
                    })
            }
            // Different types end here, and are never equal: True is not 1, and 1.0 is not 1.
            (a, b) => a == b,
        }
    }

    /// The value as a Python literal, as it is shown in prompts: `[1, 'a', True]`.
    pub fn python(&self) -> String {
        let mut out = String::new();
        self.write_python(&mut out);
        out
    }

    fn write_python(&self, out: &mut String) {
        match self {
            Self::None => out.push_str("None"),
            Self::Bool(true) => out.push_str("True"),
            Self::Bool(false) => out.push_str("False"),
            Self::Int(n) => write!(out, "{n}").expect("writing to a String cannot fail"),
            Self::Float(x) => out.push_str(&python_float(*x)),
            Self::Str(text) => write_python_str(text, out),
            Self::List(items) => write_sequence(items, "[", "]", out),
            // `(1)` is a number in Python.
            Self::Tuple(items) if items.len() == 1 => write_sequence(items, "(", ",)", out),
            Self::Tuple(items) => write_sequence(items, "(", ")", out),
            Self::Dict(pairs) => write_dict(pairs, out),
        }
    }

    /// The JSON form: natural where JSON can say it, else one-key objects `{"$int": "…"}` (beyond
    /// 64 bits), `{"$float": "nan"}`, `{"$tuple": […]}`, `{"$dict": [[key, value], …]}`. A `Value`
    /// is read from this form, and from plain objects: dictionaries with string keys.
    pub fn to_json(&self) -> Json {
        match self {
            Self::None => Json::Null,
            Self::Bool(b) => Json::Bool(*b),
            Self::Int(n) => match i64::try_from(n) {
                Ok(small) => small.into(),
                // Many parsers make a float of a longer number.
                Err(_) => tagged("$int", n.to_string().into()),
            },
            Self::Float(x) => Number::from_f64(*x)
                // `from_f64` has nothing for NaN and the infinities, which JSON cannot write.
                .map_or_else(|| tagged("$float", python_float(*x).into()), Json::Number),
            Self::Str(text) => text.clone().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Tuple(items) => tagged("$tuple", items.iter().map(Self::to_json).collect()),
            Self::Dict(pairs) => tagged(
                "$dict",
                pairs
                    .iter()
                    .map(|(k, v)| Json::Array(vec![k.to_json(), v.to_json()]))
                    .collect(),
            ),
        }
    }
}

/// Why a JSON text is not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Malformed(String);

fn tagged(tag: &str, content: Json) -> Json {
    Json::Object(Map::from_iter([(tag.to_owned(), content)]))
}

/// The beginning of a text, for an error.
fn shown(text: &str) -> String {
    shortened(text, MAX_SHOWN_CHARS)
}

fn python_float(x: f64) -> String {
    if x.is_nan() {
        "nan".to_owned()
    } else if x.is_infinite() {
        if x > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else {
        format!("{x:?}")
    }
}

fn write_sequence(items: &[Value], open: &str, close: &str, out: &mut String) {
    out.push_str(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        item.write_python(out);
    }
    out.push_str(close);
}

fn write_dict(pairs: &[(Value, Value)], out: &mut String) {
    out.push('{');
    for (i, (key, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        key.write_python(out);
        out.push_str(": ");
        value.write_python(out);
    }
    out.push('}');
}

/// Quotes as Python's `repr` does: single quotes unless the text has one and no double quote.
fn write_python_str(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_ascii_control() => {
                write!(out, "\\x{:02x}", u32::from(c)).expect("writing to a String cannot fail")
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.python())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::None),
            any::<bool>().prop_map(Value::Bool),
            any::<i128>().prop_map(Value::int),
            any::<f64>()
                .prop_filter("NaN equals nothing", |x| !x.is_nan())
                .prop_map(Value::Float),
            ".*".prop_map(Value::Str),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Tuple),
                prop::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Dict),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_round_trips(value in any_value()) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn types_are_exact() {
        assert!(!Value::Bool(true).answers(&Value::int(1)));
        assert!(!Value::Float(1.0).answers(&Value::int(1)));
        assert!(!Value::Float(f64::NAN).answers(&Value::Float(f64::NAN)));
        assert!(Value::Float(0.1 + 0.2).answers(&Value::Float(0.3)));
        assert!(!Value::Float(1.0).answers(&Value::Float(f64::INFINITY)));
        assert!(Value::Float(f64::INFINITY).answers(&Value::Float(f64::INFINITY)));
        assert!(!Value::Tuple(vec![]).answers(&Value::List(vec![])));
    }

    #[test]
    fn python_literals() {
        let value = Value::List(vec![
            Value::int(-3),
            Value::str("it's"),
            Value::Tuple(vec![Value::Bool(true)]),
            Value::Float(2.0),
        ]);
        assert_eq!(value.python(), r#"[-3, "it's", (True,), 2.0]"#);
    }
}
