//! What a candidate returned, as it was seen from outside: the exact types of [`Value`], and what
//! is not a value at all. Compares by [`Value::answers`]; never evaluates anything.
//!
//! A value is a tag and its content: `N` · `T` · `F` · `I` two's complement · `D` eight bytes · `U`
//! utf-8 · `G` text with lone surrogates · `L`, `P`, `M` a count and the items (pairs) of a list,
//! tuple, dict · `O` type name and repr of anything else.

use std::collections::HashMap;

use groklab_domain::{Value, value::answer_each_other};
use num_bigint::BigInt;

use crate::wire::{
    encode::encoded,
    reader::{Flaw, Reader},
    shorten::shorten,
};

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
                let mut pairs = seen.iter().zip(wanted);
                seen.len() == wanted.len() && pairs.all(|(seen, wanted)| seen.answers(wanted))
            }
            (Self::Dict(seen), Value::Dict(wanted)) => dict_answers(seen, wanted),
            (Self::List(_) | Self::Tuple(_) | Self::Dict(_), _) => false,
            // Without items of its own, a value is compared as one of the domain's.
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
            Self::List(items) => Value::List(to_values(items)?),
            Self::Tuple(items) => Value::Tuple(to_values(items)?),
            Self::Dict(pairs) => {
                let mut values = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    values.push((key.to_value()?, value.to_value()?));
                }
                Value::Dict(values)
            }
            Self::Surrogates(_) | Self::Other { .. } => return None,
        })
    }

    /// The value as Python would show it, cut off after about `max_chars` characters.
    pub fn describe(&self, max_chars: usize) -> String {
        let mut out = String::new();
        self.write(&mut out, max_chars);
        shorten(&out, max_chars)
    }

    /// Appends the value as Python would show it, and stops early once `out` is long enough.
    fn write(&self, out: &mut String, limit: usize) {
        if out.len() > limit {
            return;
        }
        match self {
            // To write a long integer in decimal takes time in the square of its length.
            Self::Int(n) if n.bits() > 4 * limit as u64 => {
                out.push_str(&format!("<int of {} bits>", n.bits()));
            }
            Self::Str(text) => {
                // One character more than fits, so that shortening shows that there were more.
                let beginning = text.chars().take(limit + 1).collect();
                out.push_str(&Value::Str(beginning).python());
            }
            Self::Surrogates(escaped) => out.extend(escaped.chars().take(limit + 1)),
            Self::List(items) => write_items(items, ["[", "]"], out, limit),
            Self::Tuple(items) => {
                let close = if items.len() == 1 { ",)" } else { ")" };
                write_items(items, ["(", close], out, limit);
            }
            Self::Dict(pairs) => write_pairs(pairs, out, limit),
            Self::Other { type_name, repr } if repr.is_empty() => {
                out.push_str(&format!("<{type_name}>"));
            }
            Self::Other { type_name, repr } => out.push_str(&format!("<{type_name}: {repr}>")),
            Self::None | Self::Bool(_) | Self::Int(_) | Self::Float(_) => {
                let value = self.to_value().expect("plain variants are values");
                out.push_str(&value.python());
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
            b'U' => match std::str::from_utf8(reader.blob()?) {
                Ok(text) => Self::Str(text.to_owned()),
                Err(_) => return Err(Flaw::Malformed),
            },
            // Rust has no strings with lone surrogates.
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

fn to_values(items: &[Seen]) -> Option<Vec<Value>> {
    items.iter().map(Seen::to_value).collect()
}

fn dict_answers(seen: &[(Seen, Seen)], wanted: &[(Value, Value)]) -> bool {
    if seen.len() != wanted.len() {
        return false;
    }
    // Floats are equal within a tolerance, so a float can't be looked up by its bytes.
    if wanted.iter().any(|(key, _)| has_float(key)) {
        return answer_each_other(wanted, seen, |(key, want), (seen_key, got)| {
            seen_key.answers(key) && got.answers(want)
        });
    }
    answers_by_key(seen, wanted)
}

/// What [`Value::answers`] says of two dictionaries of the same size without floats among the keys,
/// in time that does not grow with the square of it.
fn answers_by_key(seen: &[(Seen, Seen)], wanted: &[(Value, Value)]) -> bool {
    // By their bytes: equal keys of exact types are encoded alike.
    let mut by_key = HashMap::with_capacity(seen.len());
    for (key, value) in seen {
        let Some(key) = key.to_value() else {
            return false;
        };
        by_key.insert(encoded(&key), value);
    }
    for (key, want) in wanted {
        match by_key.get(&encoded(key)) {
            Some(value) if value.answers(want) => {}
            _ => return false,
        }
    }
    true
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

fn write_items(items: &[Seen], [open, close]: [&str; 2], out: &mut String, limit: usize) {
    out.push_str(open);
    for (place, item) in items.iter().enumerate().take(limit + 1) {
        out.push_str(if place > 0 { ", " } else { "" });
        item.write(out, limit);
    }
    out.push_str(close);
}

fn write_pairs(pairs: &[(Seen, Seen)], out: &mut String, limit: usize) {
    out.push('{');
    for (place, (key, value)) in pairs.iter().enumerate().take(limit + 1) {
        out.push_str(if place > 0 { ", " } else { "" });
        key.write(out, limit);
        out.push_str(": ");
        value.write(out, limit);
    }
    out.push('}');
}

fn read_items(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<Seen>, Flaw> {
    let mut items = Vec::new();
    for _ in 0..reader.count()? {
        items.push(Seen::read_at(reader, depth + 1)?);
    }
    Ok(items)
}

fn read_pairs(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<(Seen, Seen)>, Flaw> {
    let mut pairs = Vec::new();
    for _ in 0..reader.count()? {
        let key = Seen::read_at(reader, depth + 1)?;
        let value = Seen::read_at(reader, depth + 1)?;
        pairs.push((key, value));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode::encoded;
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
            let seen = Seen::read(&mut Reader::new(&encoded(&value))).unwrap();
            prop_assert_eq!(seen.to_value().unwrap(), value);
            prop_assert!(seen.describe(40).chars().count() <= 40 * 12);
        }

        /// Comparing what was seen is comparing the values, whatever is compared with what.
        #[test]
        fn answers_as_the_values_do(
            value in any_value(),
            other in any_value(),
            count in 0..40i64,
            turn in 0..40usize,
            change: bool,
        ) {
            let item = |n| Value::Tuple(vec![value.clone(), Value::int(n)]);
            let mut pairs: Vec<_> = (0..count).map(|n| (Value::int(n), item(n))).collect();
            let wanted = Value::Dict(pairs.clone());
            let turn = turn.min(pairs.len());
            pairs.rotate_left(turn);
            if change && let Some((_, last)) = pairs.last_mut() {
                *last = other.clone();
            }
            let turned = Value::Dict(pairs);
            for (got, wanted) in [(&value, &value), (&value, &other), (&turned, &wanted)] {
                let seen = Seen::read(&mut Reader::new(&encoded(got))).unwrap();
                prop_assert_eq!(seen.answers(wanted), got.answers(wanted));
            }
        }
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
        let seen = |value: &Value| Seen::read(&mut Reader::new(&encoded(value))).unwrap();
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
