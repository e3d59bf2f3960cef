//! An experiment file with every key: what it does, what it may be, and its default.

use serde_json::Value;

use super::keys::{Key, Table};

/// Columns of a comment.
const WIDTH: usize = 100;

const HEAD: &str = "An experiment file with every key and its default: a file needs only the keys \
    whose values should be others, and those that are required. A key without a default is shown \
    with an example behind `#`.";

/// The file.
pub fn defaults(tables: &[Table]) -> String {
    let mut lines = comment(HEAD);
    for table in tables {
        lines.push(String::new());
        if !table.name.is_empty() {
            lines.extend(comment(&table.description));
            lines.push(format!("[{}]", table.name));
        }
        for key in &table.keys {
            lines.extend(key_lines(key));
        }
        if let Some(others) = &table.others {
            lines.extend(comment(&format!("Any other key: {others}")));
        }
    }
    lines.join("\n")
}

fn key_lines(key: &Key) -> Vec<String> {
    let mut lines = comment(&key.description);
    for word in &key.words {
        lines.extend(comment(&format!("`{}`: {}", word.word, word.meaning)));
    }
    let required = if key.required { "; required" } else { "" };
    lines.extend(comment(&format!("({}{required})", key.values)));
    let name = key.name();
    lines.push(match (&key.default, &key.example) {
        (Some(default), _) => format!("{name} = {}", as_toml(default)),
        (None, Some(example)) if key.required => format!("{name} = {}", as_toml(example)),
        (None, Some(example)) => format!("#{name} = {}", as_toml(example)),
        (None, None) => format!("#{name} ="),
    });
    lines
}

/// A value as TOML writes it.
pub fn as_toml(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}

/// `text` in lines that begin with `#`.
fn comment(text: &str) -> Vec<String> {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let mut end = lines.len() - 1;
        if lines[end].len() + 1 + word.len() > WIDTH {
            lines.push("#".to_owned());
            end += 1;
        }
        lines[end].push(' ');
        lines[end].push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use groklab_domain::experiment::parse;

    use super::{
        super::{schema, tables},
        *,
    };

    #[test]
    fn the_file_says_what_no_file_says() {
        let text = defaults(&tables(&schema()));
        let short =
            "name = \"my-experiment\"\n[model]\nsource = \"Qwen/Qwen2.5-Coder-1.5B-Instruct\"";
        assert_eq!(parse(&text).unwrap(), parse(short).unwrap());
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }

    #[test]
    fn what_has_no_default_is_shown_by_an_example_that_runs() {
        let text = defaults(&tables(&schema()));
        let is_example = |line: &str| line.starts_with('#') && !line.starts_with("# ");
        let mut with_examples = String::new();
        for line in text.lines() {
            let line = if is_example(line) { &line[1..] } else { line };
            with_examples.push_str(&format!("{line}\n"));
        }
        let experiment = parse(&with_examples).unwrap();
        assert_eq!(experiment.keep_checkpoints, Some(2));
        assert_eq!(experiment.stop.target_accuracy, Some(0.95));
        assert!(experiment.model.chat.system.is_some() && experiment.model.chat.template.is_some());
    }
}
