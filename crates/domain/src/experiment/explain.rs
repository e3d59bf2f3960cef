//! What the TOML parser and serde say of a text, as errors that name the place, the key, the value
//! and the fix.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    check::DIFFICULTY,
    plain::{TEXT, plain, wanted},
    sources::{Place, Sources},
};

/// The keys whose value is a table.
pub(super) const TABLES: [&str; 7] = [
    "model", "problems", "generate", "verify", "train", "evaluate", "stop",
];

/// Where something is wrong, and what.
pub(super) type Wrong = (Place, String);

/// What is wrong where `error` says so. `table` is what was read, if it could be.
pub(super) fn explain(
    sources: &Sources<'_>,
    table: Option<&DeTable<'_>>,
    error: &toml::de::Error,
) -> Wrong {
    let span = error.span().unwrap_or(0..0);
    let message = error.message().trim().replace('\n', ", ");
    let place = sources.place(span.start);
    let text = if let Some((unknown, known)) = unknown_field(&message) {
        explain_unknown(unknown, &known)
    } else if message == "duplicate key" {
        format!("`{}` is given twice", sources.written(span))
    } else if message == "missing field `model`" {
        "missing table [model]: write [model] on a line of its own, and `source = \"…\"` below it"
            .to_owned()
    } else if let Some((key, value)) = table.and_then(|table| key_at(table, &span, String::new())) {
        let written = match (value.get_ref(), sources.written(value.span())) {
            // Its place is that of its name.
            (DeValue::Table(_), written) if !written.starts_with('{') => "a table",
            (_, written) => written,
        };
        let fix = fix(&key, value.get_ref(), written, &message);
        format!("`{key}` = {written}: {fix}")
    } else {
        plain(&message)
    };
    (place, text)
}

fn explain_unknown(unknown: &str, known: &[&str]) -> String {
    match nearest(unknown, known) {
        Some(near) => format!("unknown key `{unknown}`; did you mean `{near}`?"),
        None => format!(
            "unknown key `{unknown}`; known here are {}",
            known.join(", ")
        ),
    }
}

/// What to write instead of a value that serde refuses with `message`.
fn fix(key: &str, value: &DeValue<'_>, written: &str, message: &str) -> String {
    let within = !message.contains("type: sequence");
    match value {
        _ if key == "problems.difficulty" => DIFFICULTY.to_owned(),
        DeValue::Array(_) if within => format!("in the list {}", plain(message)),
        DeValue::Array(_) | DeValue::Table(_) | DeValue::String(_) => plain(message),
        _ if wanted(message).as_deref() == Some(TEXT) => format!("use {TEXT}: \"{written}\""),
        _ => plain(message),
    }
}

/// The first key that wants a table and has something else. serde would take a list's values for
/// the table's keys in their order.
pub(super) fn no_table(sources: &Sources<'_>, table: &DeTable<'_>) -> Option<Wrong> {
    let (key, value) = table.iter().find(|(key, value)| {
        TABLES.contains(&key.get_ref().as_ref()) && !matches!(value.get_ref(), DeValue::Table(_))
    })?;
    let name = key.get_ref();
    let place = sources.place(key.span().start);
    let fix = match (&place, value.get_ref()) {
        (Place::Set(_), _) => format!("set its keys, as in {name}.KEY=VALUE"),
        (_, DeValue::String(source)) if name == "model" => {
            format!("write [model] on a line of its own, and `source = \"{source}\"` below it")
        }
        (_, DeValue::Array(_)) => {
            format!("write [{name}] once, on a line of its own, and its keys below it")
        }
        _ => format!("write [{name}] on a line of its own, and its keys below it"),
    };
    Some((place, format!("`{name}` is a table: {fix}")))
}

/// Takes serde's ``unknown field `x`, expected one of `a`, `b` `` apart.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field ")?;
    // Every second piece stands between backticks: the unknown name, then the known ones.
    let mut names = rest.split('`').skip(1).step_by(2);
    Some((names.next()?, names.collect()))
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(word, k), *k));
    scored
        .min()
        // Beyond about a third of its letters it is another word and no slip.
        .filter(|(distance, k)| *distance <= 1 + k.len() / 3)
        .map(|(_, k)| k)
}

/// The dotted key whose value covers `span`, and the value.
fn key_at<'a, 'i>(
    table: &'a DeTable<'i>,
    span: &Range<usize>,
    prefix: String,
) -> Option<(String, &'a Spanned<DeValue<'i>>)> {
    table.iter().find_map(|(key, value)| {
        let name = format!("{prefix}{}", key.get_ref());
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(found) = key_at(inner, span, format!("{name}."))
        {
            return Some(found);
        }
        let covers =
            value.span().start <= span.start && span.end <= value.span().end && !span.is_empty();
        // What is wrong in a table that belongs there is wrong in one of its keys, or it is a key
        // that is missing.
        (covers && !TABLES.contains(&name.as_str())).then_some((name, value))
    })
}
