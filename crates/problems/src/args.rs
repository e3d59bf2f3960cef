//! Reading a rule's arguments: `None` where one is missing or of another type.

use groklab_domain::Value;

/// The text at `place`.
pub fn text(args: &[Value], place: usize) -> Option<&str> {
    as_text(args.get(place)?)
}

/// The whole number at `place`, within 64 bits.
pub fn int(args: &[Value], place: usize) -> Option<i64> {
    as_int(args.get(place)?)
}

/// The list of whole numbers at `place`.
pub fn ints(args: &[Value], place: usize) -> Option<Vec<i64>> {
    items(args, place)?.iter().map(as_int).collect()
}

/// The list of texts at `place`.
pub fn texts(args: &[Value], place: usize) -> Option<Vec<&str>> {
    items(args, place)?.iter().map(as_text).collect()
}

/// The list at `place`.
pub fn items(args: &[Value], place: usize) -> Option<&[Value]> {
    match args.get(place)? {
        Value::List(items) => Some(items),
        _ => None,
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

fn as_int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(n) => i64::try_from(n).ok(),
        _ => None,
    }
}
