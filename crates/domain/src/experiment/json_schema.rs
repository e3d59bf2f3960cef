//! The experiment file as a JSON Schema, made from the structures that read it: for editors, for
//! the page that documents the keys, and for the ranges that `check` holds values to.

use std::sync::LazyLock;

use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::Value;

use super::schema::Experiment;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    // Draft 7 is what the editors' TOML extensions read.
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Experiment>();
    RecursiveTransform(tidy).transform(&mut schema);
    schema.to_value()
});

/// The schema of an experiment file: every key with its description, type, range and default, each
/// in its place.
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

/// The lowest and the highest value of a dotted key, as in `train.rank`.
///
/// # Panics
/// No field of this key has a range: `every_range_is_kept` tries all of them.
pub(super) fn range(key: &str) -> [f64; 2] {
    let pointer = format!("/properties/{}", key.replace('.', "/properties/"));
    let end = |name: &str| SCHEMA.pointer(&pointer)?.get(name)?.as_f64();
    ["minimum", "maximum"].map(|name| end(name).expect("a key with a range has both ends"))
}

/// Takes out what TOML does not have, and what says nothing to a person.
fn tidy(schema: &mut Schema) {
    let Some(keys) = schema.as_object_mut() else {
        return;
    };
    // TOML has no null: a key that may be absent is left out.
    if let Some(Value::Array(types)) = keys.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            keys.insert("type".to_owned(), only);
        }
    }
    // Rust's names of numbers, whose ranges stand beside them.
    keys.remove("format");
    // A table's default repeats those of its keys.
    if keys.get("default").is_some_and(Value::is_object) {
        keys.remove("default");
    }
    if let Some(Value::String(text)) = keys.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::parse;

    /// Every number with a range: its dotted key, the range's ends, and whether it is a whole one.
    fn ranges(schema: &Value, prefix: &str) -> Vec<(String, [f64; 2], bool)> {
        let mut found = Vec::new();
        for (name, key) in schema["properties"].as_object().into_iter().flatten() {
            let dotted = format!("{prefix}{name}");
            if let (Some(least), Some(most)) = (key["minimum"].as_f64(), key["maximum"].as_f64()) {
                found.push((dotted.clone(), [least, most], key["type"] == "integer"));
            }
            found.extend(ranges(key, &format!("{dotted}.")));
        }
        found
    }

    /// What is said of a file with this one value.
    fn said(key: &str, value: f64, whole: bool) -> String {
        let value = if whole {
            format!("{value}")
        } else {
            format!("{value:?}")
        };
        let text = format!("name = \"x\"\nmodel.source = \"a/b\"\n{key} = {value}\n");
        parse(&text)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn every_range_is_kept() {
        let mut ranges = ranges(&json_schema(), "");
        // Its end is TOML's own.
        ranges.retain(|(key, ..)| !key.ends_with("seed"));
        assert!(ranges.len() > 30, "{ranges:?}");
        for (key, [least, most], whole) in ranges {
            let step = if whole { 1.0 } else { 1e-9 };
            let range = format!("use {least} to {most}");
            for value in [least - step, most + step.max(most * 1e-9)] {
                let said = said(&key, value, whole);
                let refused = said.contains(&range) || (value < 0.0 && said.contains("`: use "));
                assert!(
                    refused || said.contains("use a whole number"),
                    "{key} = {value}: {said}"
                );
            }
            for value in [least, most] {
                let said = said(&key, value, whole);
                assert!(!said.contains(&range), "{key} = {value}: {said}");
            }
        }
    }

    #[test]
    fn unknown_keys_are_refused_except_variables_of_a_template() {
        let schema = json_schema();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], serde_json::json!(["name", "model"]));
        for (name, table) in schema["properties"].as_object().unwrap() {
            if table["type"] == "object" {
                assert_eq!(table["additionalProperties"], false, "{name}");
            }
        }
        let chat = &schema["properties"]["model"]["properties"]["chat"];
        assert_eq!(chat["additionalProperties"]["type"][2], "boolean");
    }

    #[test]
    fn every_key_says_what_it_does() {
        fn visit(schema: &Value, at: &str) {
            for (name, key) in schema["properties"].as_object().into_iter().flatten() {
                let at = format!("{at}.{name}");
                let text = key["description"].as_str().unwrap_or_default();
                assert!(text.ends_with('.') && !text.contains('\n'), "{at}: {text}");
                assert!(
                    key.get("type").is_some() || key.get("oneOf").is_some(),
                    "{at}: {key}"
                );
                visit(key, &at);
            }
        }
        visit(&json_schema(), "");
    }
}
