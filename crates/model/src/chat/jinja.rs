//! Jinja as Hugging Face runs it for chat templates: trimmed blocks, Python's string methods and
//! JSON, `raise_exception`, `strftime_now`, `{% generation %}`. It departs in one thing:
//! `strftime_now` formats a fixed day, so that a prompt never depends on when it was made.

use std::sync::LazyLock;

use chrono::NaiveDate;
use fancy_regex::{Captures, Regex};
use minijinja::{Environment, Error, ErrorKind, State, Value, value::Kwargs};
use serde::Serialize;

/// An environment for one template.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // As transformers sets them; the line ends of a prompt depend on it.
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_unknown_method_callback(method);
    // minijinja's own would escape `<`, `>` and `&` for HTML.
    environment.add_filter("tojson", to_json);
    // jinja's `trim` is Python's `strip`, which knows more white space than Rust.
    environment.add_filter("trim", |text: &str| python_strip(text).to_owned());
    environment.add_function(
        "raise_exception",
        |reason: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, reason))
        },
    );
    environment.add_function("strftime_now", strftime);
    environment
}

/// The template without the tags that mark what an assistant wrote: they change nothing but what is
/// recorded of a rendering.
pub(super) fn without_generation_tags(template: &str) -> String {
    static TAG: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").expect("the pattern is constant")
    });
    let part = |tag: &Captures<'_>, place| {
        tag.get(place)
            .map_or(String::new(), |part| part.as_str().to_owned())
    };
    // A scope stands in for the tag, for what a template sets within it must end there.
    let scope = |tag: &Captures<'_>| {
        format!(
            "{{%{} {}with {}%}}",
            part(tag, 1),
            part(tag, 2),
            part(tag, 3)
        )
    };
    TAG.replace_all(template, scope).into_owned()
}

/// `text.strip()` as Python does it: U+001C to U+001F are white space there too.
pub(super) fn python_strip(text: &str) -> &str {
    text.trim_matches(is_python_space)
}

fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

fn method(
    state: &State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    match (value.as_str(), name, arguments) {
        (Some(text), "strip", []) => Ok(python_strip(text).into()),
        (Some(text), "lstrip", []) => Ok(text.trim_start_matches(is_python_space).into()),
        (Some(text), "rstrip", []) => Ok(text.trim_end_matches(is_python_space).into()),
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// Python's `json.dumps(value, ensure_ascii=False, indent=indent)`.
fn to_json(value: &Value, arguments: Kwargs) -> Result<Value, Error> {
    let failed =
        |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let indent: Option<usize> = arguments.get("indent")?;
    let mut out = Vec::new();
    let written = match indent {
        Some(width) => {
            let spaces = " ".repeat(width);
            let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(
                &mut out, formatter,
            ))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(
            &mut out, Spaced,
        )),
    };
    written.map_err(failed)?;
    // `sort_keys` and the like would change the text: an error rather than passed over.
    arguments.assert_all_used()?;
    Ok(Value::from_safe_string(
        String::from_utf8(out).expect("JSON is UTF-8"),
    ))
}

/// `, ` and `: ` between items, as Python writes JSON on one line.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: std::io::Write + ?Sized>(
        &mut self,
        out: &mut W,
    ) -> std::io::Result<()> {
        out.write_all(b": ")
    }
}

fn strftime(format: &str) -> Result<String, Error> {
    use std::fmt::Write as _;
    let day = NaiveDate::from_ymd_opt(2025, 1, 1)
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .expect("the day exists");
    let mut text = String::new();
    let unknown = |_| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now: `{format}` is not a format known here"),
        )
    };
    write!(text, "{}", day.format(format)).map_err(unknown)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn render(template: &str) -> String {
        let context = context! { x => context! { b => vec![1, 2], a => "<é'>" }, text => "\u{1c} a \
        \u{1f}\n" };
        environment()
            .render_str(&without_generation_tags(template), context)
            .unwrap()
    }

    #[test]
    fn what_python_writes() {
        assert_eq!(render("{{ x | tojson }}"), r#"{"b": [1, 2], "a": "<é'>"}"#);
        assert_eq!(render("{{ [1] | tojson(indent=1) }}"), "[\n 1\n]");
        assert_eq!(
            render("[{{ text.strip() }}][{{ text | trim }}][{{ text.lstrip() }}]"),
            "[a][a][a \u{1f}\n]"
        );
        assert_eq!(
            render("{{ 'a</think>b'.split('</think>')[-1] }}{{ '\\n\\na'.lstrip('\\n') }}"),
            "ba"
        );
        assert_eq!(
            render("{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d') }}"),
            "01 Jan 2025 2025-01-01"
        );
    }

    #[test]
    fn generation_tags_change_nothing() {
        assert_eq!(
            render("a\n {%- generation %}\nb{% set c = 1 %}\n{%- endgeneration -%} \nc"),
            "abc"
        );
        assert!(
            environment()
                .render_str("{{ strftime_now('%Q!') }}", ())
                .is_err()
        );
    }
}
