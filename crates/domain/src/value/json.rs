//! Reads a [`Value`] from its JSON form, see [`Value::to_json`], as Python's `json` would read it:
//! `-0` is an int, dictionaries keep their order. What cannot be meant is refused by name: an
//! unknown tag, a tag with the wrong content, a key that is given twice, which a parser would pass
//! over.

use std::{collections::HashSet, fmt};

use num_bigint::BigInt;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Malformed, Value, numbers, shown};

/// Most digits of an integer that is read, with its sign: as many as 64 KiB hold. The time it takes
/// grows with their square.
const MAX_DIGITS: usize = 157_828;
const TAGS: [&str; 4] = ["$int", "$float", "$tuple", "$dict"];

/// From JSON alone, as text or parsed: a number's text tells more than the parsed number.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text as it stands: serde's own values would have rounded long integers already.
        read(Box::<RawValue>::deserialize(deserializer)?.get()).map_err(D::Error::custom)
    }
}

fn read(json: &str) -> Result<Value, Malformed> {
    let json = numbers::as_python(json)?;
    serde_json::from_str::<Node>(&json)
        .map(|Node(value)| value)
        .map_err(|error| {
            // The place is one in the rewritten text, which no reader has.
            let place = format!(" at line {} column {}", error.line(), error.column());
            Malformed(error.to_string().replace(&place, ""))
        })
}

/// A value, or a part of one, whose numbers the parser does not change.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Node)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::int(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::int(n))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(Value::Float(x))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Node(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, Node(value))) = access.next_entry::<String, Node>()? {
            entries.push((key, value));
        }
        object(entries).map_err(A::Error::custom)
    }
}

/// A tagged value, or a dictionary with string keys. An object of one key that begins with `$` is
/// meant to be tagged, and so is one with a key that is a tag.
fn object(mut entries: Vec<(String, Value)>) -> Result<Value, Malformed> {
    if let Some(key) = repeated(&entries) {
        return Err(Malformed(format!(
            "the key `{}` is twice in an object",
            shown(key)
        )));
    }
    // Also a tag that is not known: read as a dictionary, a misspelled one would be a wrong value
    // without a word.
    if entries.len() == 1 && entries[0].0.starts_with('$') {
        let (tag, content) = entries.remove(0);
        return tagged(&tag, content);
    }
    if let Some((tag, _)) = entries.iter().find(|(key, _)| TAGS.contains(&key.as_str())) {
        return Err(Malformed(format!(
            "the tag `{tag}` is not alone in its object; {}",
            dictionary(tag)
        )));
    }
    Ok(Value::Dict(
        entries
            .into_iter()
            .map(|(key, value)| (Value::Str(key), value))
            .collect(),
    ))
}

fn repeated(entries: &[(String, Value)]) -> Option<&str> {
    let mut keys = HashSet::new();
    entries
        .iter()
        .map(|(key, _)| key.as_str())
        .find(|key| !keys.insert(*key))
}

fn tagged(tag: &str, content: Value) -> Result<Value, Malformed> {
    match (tag, content) {
        ("$int", Value::Str(digits)) if is_integer(&digits) => integer(&digits),
        ("$int", other) => Err(mistaken(tag, "the digits of an integer as a text", &other)),
        ("$float", Value::Str(text)) => float(&text)
            .map(Value::Float)
            .ok_or_else(|| no_float(&Value::Str(text))),
        ("$float", other) => Err(no_float(&other)),
        ("$tuple", Value::List(items)) => Ok(Value::Tuple(items)),
        ("$tuple", other) => Err(mistaken(tag, "a list", &other)),
        ("$dict", Value::List(items)) => items
            .into_iter()
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Value::Dict),
        ("$dict", other) => Err(mistaken(tag, "a list of pairs", &other)),
        _ => Err(Malformed(format!(
            "unknown tag `{}`; the tags are {}; {}",
            shown(tag),
            TAGS.join(", "),
            dictionary(tag)
        ))),
    }
}

fn mistaken(tag: &str, wanted: &str, content: &Value) -> Malformed {
    Malformed(format!(
        "the tag `{tag}` wants {wanted}, not `{}`; {}",
        shown(&content.to_json().to_string()),
        dictionary(tag)
    ))
}

/// How to write what would be taken for a tagged value.
fn dictionary(key: &str) -> String {
    format!(
        "a dictionary with this key is written `{{\"$dict\": [[\"{}\", …]]}}`",
        shown(key)
    )
}

fn no_float(content: &Value) -> Malformed {
    mistaken(
        "$float",
        "a decimal number, `nan`, `inf` or `-inf` as a text",
        content,
    )
}

fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn integer(digits: &str) -> Result<Value, Malformed> {
    // Measured before the digits are parsed, which is what takes the time.
    if digits.len() > MAX_DIGITS {
        return Err(Malformed(format!(
            "an integer of {} digits is longer than the {MAX_DIGITS} that are read",
            digits.len()
        )));
    }
    digits
        .parse::<BigInt>()
        .map(Value::Int)
        .map_err(|error| Malformed(error.to_string()))
}

/// As Python shows floats; not one that is beyond them all.
fn float(text: &str) -> Option<f64> {
    match text {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        // Rust also reads `infinity`, `NaN` and `.5` as floats; Python's `repr` writes none of
        // them.
        _ if text
            .strip_prefix('-')
            .unwrap_or(text)
            .starts_with(|c: char| c.is_ascii_digit()) =>
        {
            text.parse().ok().filter(|x: &f64| x.is_finite())
        }
        _ => None,
    }
}

fn pair(item: Value) -> Result<(Value, Value), Malformed> {
    match item {
        Value::List(items) => <[Value; 2]>::try_from(items)
            .map(Into::into)
            .map_err(|items| mistaken_pair(&Value::List(items))),
        other => Err(mistaken_pair(&other)),
    }
}

fn mistaken_pair(item: &Value) -> Malformed {
    mistaken("$dict", "pairs `[key, value]`", item)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(items.into_iter().collect())
    }

    fn refusal(json: &str) -> String {
        serde_json::from_str::<Value>(json)
            .expect_err(json)
            .to_string()
    }

    #[test]
    fn numbers_have_the_types_that_python_gives_them() {
        let zero = || Value::int(0);
        let read: Value = serde_json::from_str(
            r#"[-0, [-0, {"a": -0}], {"$tuple": [-0]}, {"$dict": [[-0, -0]]}, {"$int": "-0"}]"#,
        )
        .unwrap();
        let inner = list([zero(), Value::Dict(vec![(Value::str("a"), zero())])]);
        assert_eq!(
            read,
            list([
                zero(),
                inner,
                Value::Tuple(vec![zero()]),
                Value::Dict(vec![(zero(), zero())]),
                zero()
            ])
        );
        for float in ["-0.0", "-0e0", "0.0", "0E5", "-0.0e-7"] {
            let Value::Float(x) = serde_json::from_str(float).unwrap() else {
                panic!("{float} is no float")
            };
            assert_eq!(
                (x, x.is_sign_negative()),
                (0.0, float.starts_with('-')),
                "{float}"
            );
        }
        let large: Value =
            serde_json::from_str("[18446744073709551615, 18446744073709551616, 1e22]").unwrap();
        assert_eq!(
            large,
            list([
                Value::int(u64::MAX),
                Value::int(1_u128 << 64),
                Value::Float(1e22)
            ])
        );
    }

    #[test]
    fn parsed_json_is_read_alike() {
        let json =
            serde_json::json!([{"$tuple": [1, -0.0, null]}, {"$int": "123456789012345678901"}]);
        let want = Value::Tuple(vec![Value::int(1), Value::Float(-0.0), Value::None]);
        assert_eq!(
            serde_json::from_value::<Value>(json).unwrap(),
            list([want, Value::int(123_456_789_012_345_678_901_i128)])
        );
    }

    #[test]
    fn dictionaries_keep_their_order() {
        let Value::Dict(pairs) =
            serde_json::from_str(r#"{"b": 1, "a": 2, "": 3, "c": 4}"#).unwrap()
        else {
            panic!("a dictionary")
        };
        assert_eq!(
            pairs.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(),
            ["b", "a", "", "c"].map(Value::str)
        );
    }

    #[test]
    fn unknown_and_malformed_tags_are_refused_by_name() {
        let written = |key: &str| {
            format!("a dictionary with this key is written `{{\"$dict\": [[\"{key}\", …]]}}`")
        };
        for (json, reason, key) in [
            (
                r#"{"$set": [1, 2]}"#,
                "unknown tag `$set`; the tags are $int, $float, $tuple, $dict; ",
                "$set",
            ),
            (r#"[[{"a": {"$": 1}}]]"#, "unknown tag `$`", "$"),
            (r#"{"$INT": "1"}"#, "unknown tag `$INT`", "$INT"),
            (
                r#"{"$int": 5}"#,
                "the tag `$int` wants the digits of an integer as a text, not `5`",
                "$int",
            ),
            (r#"{"$int": ""}"#, "not `\"\"`", "$int"),
            (r#"{"$int": "1_000"}"#, "not `\"1_000\"`", "$int"),
            (r#"{"$int": "+1"}"#, "not `\"+1\"`", "$int"),
            (r#"{"$int": "0x1"}"#, "not `\"0x1\"`", "$int"),
            (r#"{"$int": "1.0"}"#, "not `\"1.0\"`", "$int"),
            (
                r#"{"$int": 123456789012345678901}"#,
                "not `{\"$int\":\"123456789012345678901\"}`",
                "$int",
            ),
            (
                r#"{"$float": 1.5}"#,
                "the tag `$float` wants a decimal number, `nan`, `inf` or `-inf` as a text, not \
                    `1.5`",
                "$float",
            ),
            (r#"{"$float": "one"}"#, "not `\"one\"`", "$float"),
            (r#"{"$float": "Infinity"}"#, "not `\"Infinity\"`", "$float"),
            (r#"{"$float": "-nan"}"#, "not `\"-nan\"`", "$float"),
            (r#"{"$float": "1e400"}"#, "not `\"1e400\"`", "$float"),
            (r#"{"$float": null}"#, "not `null`", "$float"),
            (
                r#"{"$tuple": 1}"#,
                "the tag `$tuple` wants a list, not `1`",
                "$tuple",
            ),
            (
                r#"{"$tuple": {"$tuple": []}}"#,
                "not `{\"$tuple\":[]}`",
                "$tuple",
            ),
            (
                r#"{"$dict": {"a": 1}}"#,
                "the tag `$dict` wants a list of pairs, not `{\"$dict\":[[\"a\",1]]}`",
                "$dict",
            ),
            (
                r#"{"$dict": [["a"]]}"#,
                "the tag `$dict` wants pairs `[key, value]`, not `[\"a\"]`",
                "$dict",
            ),
            (r#"{"$dict": [["a", 1, 2]]}"#, "not `[\"a\",1,2]`", "$dict"),
            (
                r#"{"$dict": [{"a": 1}]}"#,
                "the tag `$dict` wants pairs",
                "$dict",
            ),
            (
                r#"{"$dict": [{"$tuple": [1, 2]}]}"#,
                "the tag `$dict` wants pairs",
                "$dict",
            ),
            (
                r#"{"$int": "1", "a": 2}"#,
                "the tag `$int` is not alone in its object",
                "$int",
            ),
            (
                r#"{"a": 2, "$tuple": [1]}"#,
                "the tag `$tuple` is not alone in its object",
                "$tuple",
            ),
        ] {
            let refused = refusal(json);
            assert!(
                refused.contains(reason) && refused.contains(&written(key)),
                "{json}: {refused}"
            );
        }
    }

    #[test]
    fn what_a_parser_would_pass_over_is_refused() {
        for (json, reason) in [
            (
                r#"{"a": 1, "b": 2, "a": 1}"#,
                "the key `a` is twice in an object",
            ),
            (
                r#"{"$int": "1", "$int": "2"}"#,
                "the key `$int` is twice in an object",
            ),
            (r#"[1, 1e400]"#, "`1e400` is beyond every float"),
            (r#""\ud800""#, "hex escape"),
            ("NaN", "expected value"),
            ("[-Infinity]", "invalid number"),
        ] {
            assert!(refusal(json).contains(reason), "{json}: {}", refusal(json));
        }
        let digits = |count: usize| format!("{{\"$int\": \"{}\"}}", "9".repeat(count));
        assert!(serde_json::from_str::<Value>(&digits(MAX_DIGITS)).is_ok());
        assert!(
            refusal(&digits(MAX_DIGITS + 1))
                .contains(&format!("an integer of {} digits", MAX_DIGITS + 1))
        );
        assert!(refusal(&"9".repeat(MAX_DIGITS + 1)).contains("digits is longer than the"));
    }

    #[test]
    fn keys_that_look_like_tags_can_be_written() {
        let one = |key: &str| Value::Dict(vec![(Value::str(key), Value::int(1))]);
        for key in ["$set", "$int", "$", "$dict"] {
            assert_eq!(
                serde_json::from_value::<Value>(serde_json::json!({"$dict": [[key, 1]]})).unwrap(),
                one(key)
            );
        }
        let two: Value = serde_json::from_str(r#"{"$gt": 1, "$lt": 2}"#).unwrap();
        assert_eq!(
            two,
            Value::Dict(vec![
                (Value::str("$gt"), Value::int(1)),
                (Value::str("$lt"), Value::int(2))
            ])
        );
    }
}
