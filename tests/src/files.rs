//! Experiment files for the tiny model, and reading exports back.

use std::{fs, path::Path};

use serde_json::Value;

/// An experiment of a few seconds on the tiny model.
pub fn experiment(name: &str, iterations: u32, method: &str) -> String {
    let source = crate::tiny_coder();
    format!(
        r#"name = "{name}"
iterations = {iterations}
[model]
source = "{}"
[problems]
families = ["sum_digits"]
difficulty = [1, 2]
train = 16
val = 4
test = 8
[generate]
max_new_tokens = 48
[train]
method = "{method}"
learning_rate = 5e-3
epochs = 4
batch_tokens = 1024
"#,
        source.display()
    )
}

/// A text file.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of JSON lines.
pub fn lines(path: &Path) -> Vec<Value> {
    read(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A file of JSON lines, each without its `seconds`.
pub fn without_seconds(path: &Path) -> Vec<String> {
    let strip = |mut line: Value| {
        line.as_object_mut().unwrap().remove("seconds").unwrap();
        line.to_string()
    };
    lines(path).into_iter().map(strip).collect()
}
