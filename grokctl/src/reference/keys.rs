//! The keys of an experiment file, read out of its schema.

use groklab_domain::experiment;
use serde::Serialize;
use serde_json::Value;

/// A table of the file; the first one is the file itself and has no name.
#[derive(Debug)]
pub struct Table {
    /// Dotted, as in `model.chat`.
    pub name: String,
    pub description: String,
    pub keys: Vec<Key>,
    /// What keys of any other name are, where they are taken.
    pub others: Option<String>,
}

/// One key.
#[derive(Debug, Serialize)]
pub struct Key {
    /// Dotted, as in `train.rank`.
    pub key: String,
    /// What a value may be, for a person.
    pub values: String,
    /// Absent where there is none: `required` says whether a file must have the key.
    pub default: Option<Value>,
    pub required: bool,
    /// A value that it may have.
    pub example: Option<Value>,
    pub description: String,
    /// The words that a value may be, where these are few, each with its meaning.
    pub words: Vec<Word>,
}

#[derive(Debug, Serialize)]
pub struct Word {
    pub word: String,
    pub meaning: String,
}

impl Key {
    /// Without the table.
    pub fn name(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or(&self.key)
    }
}

/// All tables, each behind the one that it lies in.
pub fn tables(schema: &Value) -> Vec<Table> {
    let order = experiment::key_order();
    let mut tables = Vec::new();
    add_table(schema, "", &order, &mut tables);
    tables
}

fn add_table(schema: &Value, name: &str, order: &[String], tables: &mut Vec<Table>) {
    let mut table = Table {
        name: name.to_owned(),
        description: text(schema, "description"),
        keys: Vec::new(),
        others: schema["additionalProperties"]["description"]
            .as_str()
            .map(str::to_owned),
    };
    let mut inner = Vec::new();
    for (key, about) in schema["properties"].as_object().into_iter().flatten() {
        let dotted = format!("{name}{}{key}", if name.is_empty() { "" } else { "." });
        if about["type"] == "object" {
            inner.push((dotted, about));
        } else {
            let required = list(schema, "required").iter().any(|name| name == key);
            table.keys.push(read_key(dotted, about, required));
        }
    }
    let place = |key: &str| order.iter().position(|known| known == key);
    table.keys.sort_by_key(|key| place(&key.key));
    inner.sort_by_key(|(key, _)| place(key));
    tables.push(table);
    for (key, about) in inner {
        add_table(about, &key, order, tables);
    }
}

fn read_key(key: String, about: &Value, required: bool) -> Key {
    // Words are those of the value, or of the values in its list.
    let words = [about, &about["items"]].map(|words| list(words, "oneOf"));
    let read_word = |word: &Value| {
        Some(Word {
            // What is no word is a pattern of many.
            word: word.get("const")?.as_str()?.to_owned(),
            meaning: text(word, "description"),
        })
    };
    Key {
        key,
        values: values(about),
        default: about.get("default").cloned(),
        required,
        example: list(about, "examples").first().cloned(),
        description: text(about, "description"),
        words: words.into_iter().flatten().filter_map(read_word).collect(),
    }
}

/// "whole number, 1 to 512".
fn values(about: &Value) -> String {
    // Where there are too many words.
    if let Some(title) = about["title"].as_str() {
        return title.to_owned();
    }
    let names: Vec<String> = list(about, "oneOf")
        .iter()
        .map(|word| text(word, "const"))
        .chain(
            list(about, "enum")
                .iter()
                .map(|word| word.as_str().unwrap_or_default().to_owned()),
        )
        .collect();
    if !names.is_empty() {
        return format!("one of `{}`", names.join("`, `"));
    }
    let kind = match about["type"].as_str() {
        Some("integer") => "whole number",
        Some("number") => "number",
        Some("boolean") => "true or false",
        Some("array") => return list_of(about),
        _ => "text",
    };
    match (&about["minimum"], &about["maximum"]) {
        (Value::Number(least), Value::Number(most)) => format!("{kind}, {least} to {most}"),
        _ => kind.to_owned(),
    }
}

fn list_of(about: &Value) -> String {
    let inner = values(&about["items"]);
    match (&about["minItems"], &about["maxItems"]) {
        (Value::Number(least), Value::Number(most)) if least == most => {
            format!("list of {least}, each: {inner}")
        }
        (Value::Number(_), _) => format!("list, not empty, each: {inner}"),
        _ => format!("list, each: {inner}"),
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}
