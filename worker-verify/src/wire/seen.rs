//! What a candidate returned, as it was seen from outside: the exact types of [`Value`], and what is not a value at all.
//! Also writes arguments in the same form. Compares by [`Value::answers`]; never evaluates anything.
//!
//! A value is a tag and its content: `N` · `T` · `F` · `I` two's complement · `D` eight bytes · `U` utf-8 · `G` text with lone
//! surrogates · `L`, `P`, `M` a count and the items (pairs) of a list, tuple, dict · `O` type name and repr of anything else.

use std::collections::HashMap;

use groklab_domain::{Value, value::answer_each_other};
use num_bigint::BigInt;

use crate::wire::frame::{Flaw, Reader};

/// Deepest nesting accepted; the runner stops at 64.
const MAX_DEPTH: usize = 70;

/// A returned value.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    None,
    Bool(bool),
    Int(BigInt),
    Float(f64),
    Str(String),
    /// Text with lone surrogates; the bytes are escaped.
    Surrogates(String),
    List(Vec<Seen>),
    Tuple(Vec<Seen>),
    Dict(Vec<(Seen, Seen)>),
    /// Any other type, subclasses of the above among them.
    Other {
        type_name: Box<str>,
        repr: Box<str>,
    },
}

impl Seen {
    /// Whether this is, by exact type, the expected value.
    pub fn answers(&self, expected: &Value) -> bool {
        match (self, expected) {
            (Self::List(seen), Value::List(wanted)) | (Self::Tuple(seen), Value::Tuple(wanted)) => {
                seen.len() == wanted.len()
                    && seen
                        .iter()
                        .zip(wanted)
                        .all(|(seen, wanted)| seen.answers(wanted))
            }
            (Self::Dict(seen), Value::Dict(wanted)) if seen.len() != wanted.len() => false,
            // Near enough is no key to look up by.
            (Self::Dict(seen), Value::Dict(wanted))
                if wanted.iter().any(|(key, _)| has_float(key)) =>
            {
                answer_each_other(wanted, seen, |(key, want), (k, got)| {
                    k.answers(key) && got.answers(want)
                })
            }
            (Self::Dict(seen), Value::Dict(wanted)) => answers_by_key(seen, wanted),
            (Self::List(_) | Self::Tuple(_) | Self::Dict(_), _) => false,
            _ => self.to_value().is_some_and(|value| value.answers(expected)),
        }
    }

    /// The value, unless something in it is no [`Value`].
    pub fn to_value(&self) -> Option<Value> {
        Some(match self {
            Self::None => Value::None,
            Self::Bool(b) => Value::Bool(*b),
            Self::Int(n) => Value::Int(n.clone()),
            Self::Float(x) => Value::Float(*x),
            Self::Str(text) => Value::Str(text.clone()),
            Self::List(items) => {
                Value::List(items.iter().map(Self::to_value).collect::<Option<_>>()?)
            }
            Self::Tuple(items) => {
                Value::Tuple(items.iter().map(Self::to_value).collect::<Option<_>>()?)
            }
            Self::Dict(pairs) => Value::Dict(
                pairs
                    .iter()
                    .map(|(k, v)| Some((k.to_value()?, v.to_value()?)))
                    .collect::<Option<_>>()?,
            ),
            Self::Surrogates(_) | Self::Other { .. } => return None,
        })
    }

    /// The value as Python would show it, cut off after about `limit` characters.
    pub fn describe(&self, limit: usize) -> String {
        let mut out = String::new();
        self.write(&mut out, limit);
        shorten(&out, limit)
    }

    fn write(&self, out: &mut String, limit: usize) {
        if out.len() > limit {
            return;
        }
        match self {
            Self::Int(n) if n.bits() > 4 * limit as u64 => {
                out.push_str(&format!("<int of {} bits>", n.bits()))
            }
            Self::Str(text) => {
                out.push_str(&Value::Str(text.chars().take(limit + 1).collect()).python())
            }
            Self::Surrogates(escaped) => out.extend(escaped.chars().take(limit + 1)),
            Self::List(items) => write_items(items, "[", "]", out, limit),
            Self::Tuple(items) => write_items(
                items,
                "(",
                if items.len() == 1 { ",)" } else { ")" },
                out,
                limit,
            ),
            Self::Dict(pairs) => {
                out.push('{');
                for (i, (key, value)) in pairs.iter().enumerate().take_while(|(i, _)| *i <= limit) {
                    out.push_str(if i > 0 { ", " } else { "" });
                    key.write(out, limit);
                    out.push_str(": ");
                    value.write(out, limit);
                }
                out.push('}');
            }
            Self::Other { type_name, repr } if repr.is_empty() => {
                out.push_str(&format!("<{type_name}>"))
            }
            Self::Other { type_name, repr } => out.push_str(&format!("<{type_name}: {repr}>")),
            Self::None | Self::Bool(_) | Self::Int(_) | Self::Float(_) => {
                out.push_str(&self.to_value().expect("plain variants are values").python());
            }
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    /// A [`Flaw`] where the bytes are not a value, or nest too deeply.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        Self::read_at(reader, 0)
    }

    fn read_at(reader: &mut Reader<'_>, depth: usize) -> Result<Self, Flaw> {
        if depth > MAX_DEPTH {
            return Err(Flaw::Malformed);
        }
        Ok(match reader.u8()? {
            b'N' => Self::None,
            b'T' => Self::Bool(true),
            b'F' => Self::Bool(false),
            b'I' => Self::Int(BigInt::from_signed_bytes_le(reader.blob()?)),
            b'D' => Self::Float(reader.f64()?),
            b'U' => {
                Self::Str(String::from_utf8(reader.blob()?.to_vec()).map_err(|_| Flaw::Malformed)?)
            }
            b'G' => Self::Surrogates(reader.blob()?.escape_ascii().to_string()),
            b'L' => Self::List(read_items(reader, depth)?),
            b'P' => Self::Tuple(read_items(reader, depth)?),
            b'M' => Self::Dict(read_pairs(reader, depth)?),
            b'O' => Self::Other {
                type_name: reader.text()?.into(),
                repr: reader.text()?.into(),
            },
            _ => return Err(Flaw::Malformed),
        })
    }
}

/// What [`Value::answers`] says of two dictionaries of the same size without floats among the keys, in time that does not grow with
/// the square of it.
fn answers_by_key(seen: &[(Seen, Seen)], wanted: &[(Value, Value)]) -> bool {
    let encoded = |key: &Value| {
        let mut bytes = Vec::new();
        write_value(key, &mut bytes);
        bytes
    };
    let by_key: Option<HashMap<Vec<u8>, &Seen>> = seen
        .iter()
        .map(|(key, value)| Some((encoded(&key.to_value()?), value)))
        .collect();
    by_key.is_some_and(|by_key| {
        wanted.iter().all(|(key, want)| {
            by_key
                .get(&encoded(key))
                .is_some_and(|value| value.answers(want))
        })
    })
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Float(_) => true,
        Value::List(items) | Value::Tuple(items) => items.iter().any(has_float),
        Value::Dict(pairs) => pairs
            .iter()
            .any(|(key, value)| has_float(key) || has_float(value)),
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Str(_) => false,
    }
}

/// The first `limit` characters, with an ellipsis where something was left off, and escaped what controls a line: separators that some
/// readers take for its end, and marks that change its direction, among them.
pub fn shorten(text: &str, limit: usize) -> String {
    let controls = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out: String = text
        .chars()
        .take(limit)
        .flat_map(|c| {
            if controls(c) {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect();
    if text.chars().nth(limit).is_some() {
        out.push('…');
    }
    out
}

fn write_items(items: &[Seen], open: &str, close: &str, out: &mut String, limit: usize) {
    out.push_str(open);
    for (i, item) in items.iter().enumerate().take_while(|(i, _)| *i <= limit) {
        out.push_str(if i > 0 { ", " } else { "" });
        item.write(out, limit);
    }
    out.push_str(close);
}

/// A count that the remaining bytes can't hold is refused before anything is reserved for it.
fn read_count(reader: &mut Reader<'_>) -> Result<usize, Flaw> {
    let count = reader.u32()? as usize;
    if count > reader.remaining() {
        Err(Flaw::CutOff)
    } else {
        Ok(count)
    }
}

fn read_items(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<Seen>, Flaw> {
    (0..read_count(reader)?)
        .map(|_| Seen::read_at(reader, depth + 1))
        .collect()
}

fn read_pairs(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<(Seen, Seen)>, Flaw> {
    (0..read_count(reader)?)
        .map(|_| {
            Ok((
                Seen::read_at(reader, depth + 1)?,
                Seen::read_at(reader, depth + 1)?,
            ))
        })
        .collect()
}

/// Writes `value` in the form that [`Seen`] is read from.
pub(crate) fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::None => out.push(b'N'),
        Value::Bool(true) => out.push(b'T'),
        Value::Bool(false) => out.push(b'F'),
        Value::Int(n) => write_blob(b'I', &n.to_signed_bytes_le(), out),
        Value::Float(x) => {
            out.push(b'D');
            out.extend(x.to_le_bytes());
        }
        Value::Str(text) => write_blob(b'U', text.as_bytes(), out),
        Value::List(items) => write_sequence(b'L', items, out),
        Value::Tuple(items) => write_sequence(b'P', items, out),
        Value::Dict(pairs) => {
            out.push(b'M');
            out.extend(length(pairs.len()));
            for (key, value) in pairs {
                write_value(key, out);
                write_value(value, out);
            }
        }
    }
}

pub(crate) fn write_sequence(tag: u8, items: &[Value], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(length(items.len()));
    for item in items {
        write_value(item, out);
    }
}

fn write_blob(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(length(bytes.len()));
    out.extend(bytes);
}

/// A length as the wire has it. Lengths beyond 32 bits saturate: the other side then refuses the request as cut off.
pub(crate) fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
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
                prop::collection::vec((inner.clone(), inner), 0..3).prop_map(dictionary),
            ]
        })
    }

    /// No key twice.
    fn dictionary(mut pairs: Vec<(Value, Value)>) -> Value {
        let keys: Vec<Value> = pairs.iter().map(|(key, _)| key.clone()).collect();
        let mut place = 0..;
        pairs.retain(|(key, _)| !keys[..place.next().expect("it has no end")].contains(key));
        Value::Dict(pairs)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            let mut bytes = Vec::new();
            write_value(&value, &mut bytes);
            let seen = Seen::read(&mut Reader::new(&bytes)).unwrap();
            prop_assert_eq!(seen.to_value().unwrap(), value);
            prop_assert!(seen.describe(40).chars().count() <= 40 * 12);
        }

        /// Comparing what was seen is comparing the values, whatever is compared with what.
        #[test]
        fn answers_as_the_values_do(value in any_value(), other in any_value(), count in 0..40i64, turn in 0..40usize, change: bool) {
            let mut pairs: Vec<_> = (0..count).map(|n| (Value::int(n), Value::Tuple(vec![value.clone(), Value::int(n)]))).collect();
            let wanted = Value::Dict(pairs.clone());
            let turn = turn.min(pairs.len());
            pairs.rotate_left(turn);
            if change && let Some((_, last)) = pairs.last_mut() {
                *last = other.clone();
            }
            for (got, wanted) in [(&value, &value), (&value, &other), (&Value::Dict(pairs), &wanted)] {
                let mut bytes = Vec::new();
                write_value(got, &mut bytes);
                let seen = Seen::read(&mut Reader::new(&bytes)).unwrap();
                prop_assert_eq!(seen.answers(wanted), got.answers(wanted));
            }
        }
    }

    #[test]
    fn a_text_stays_on_its_line() {
        assert_eq!(
            shorten("a\nb\u{2028}c\u{202e}d\u{85}é", 40),
            "a\\nb\\u{2028}c\\u{202e}d\\u{85}é"
        );
    }

    fn float_keys(pairs: [(f64, i64); 2]) -> Value {
        Value::Dict(
            pairs
                .iter()
                .map(|&(key, value)| (Value::Float(key), Value::int(value)))
                .collect(),
        )
    }

    /// Both expected keys are near enough to one of those returned.
    #[test]
    fn a_returned_key_answers_an_expected_one() {
        let wanted = float_keys([(1.0, 1), (1.000_000_000_5, 1)]);
        let seen = |value: &Value| {
            let mut bytes = Vec::new();
            write_value(value, &mut bytes);
            Seen::read(&mut Reader::new(&bytes)).unwrap()
        };
        assert!(seen(&wanted).answers(&wanted) && wanted.answers(&wanted));
        let forged = float_keys([(1.0, 1), (7.0, 99)]);
        assert!(!seen(&forged).answers(&wanted) && !forged.answers(&wanted));
        // Whole numbers that are near each other: the tolerance is relative.
        let mut times: Vec<_> = (0..5)
            .map(|n| (Value::Float(1.7e9 + f64::from(n)), Value::int(0)))
            .collect();
        let wanted = Value::Dict(times.clone());
        for turn in 0..5 {
            times.rotate_left(1);
            times.swap(turn, 0);
            let turned = Value::Dict(times.clone());
            assert!(
                seen(&turned).answers(&wanted) && turned.answers(&wanted),
                "{turned:?}"
            );
        }
    }

    #[test]
    fn others_answer_nothing() {
        let forged = Seen::List(vec![Seen::Other {
            type_name: "int".into(),
            repr: "".into(),
        }]);
        assert!(!forged.answers(&Value::List(vec![Value::int(1)])));
        assert_eq!(forged.describe(40), "[<int>]");
    }

    #[test]
    fn nesting_is_limited() {
        let bytes: Vec<u8> = b"L\x01\0\0\0".repeat(100_000);
        assert_eq!(Seen::read(&mut Reader::new(&bytes)), Err(Flaw::Malformed));
    }
}
