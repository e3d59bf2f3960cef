//! A problem and its prompt. The prompt's common part comes first and the visible cases last, so
//! prompts of a rule share a prefix.

use groklab_domain::{Split, Value};
use serde::{Deserialize, Serialize};

use crate::family::RuleText;

/// One rule asked once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Place within the experiment: by split, then family, then order within the family.
    pub ordinal: u32,
    pub family: String,
    pub rule: String,
    pub difficulty: u8,
    pub split: Split,
    /// What the model is told, as the user's message.
    pub prompt: String,
    /// Name of the function to write.
    pub entry: String,
    /// As in `def sum_digits(n: int) -> int`.
    pub signature: String,
    /// Visible ones first.
    pub cases: Vec<Case>,
}

/// One call and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub args: Vec<Value>,
    pub expected: Value,
    /// Shown in the prompt.
    pub visible: bool,
    /// The arguments as Python literals, sorted where their order does not matter; unique per
    /// experiment, family and rule.
    pub canonical: String,
}

/// Python literals, separated by `, `.
pub(crate) fn literals(values: &[Value]) -> String {
    values
        .iter()
        .map(Value::python)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The prompt of a problem with these cases.
pub(crate) fn prompt(about: &RuleText, cases: &[Case]) -> String {
    let mut text = format!(
        "Write a Python function `{}`.\n{}\nReply with only the code in a ```python block.",
        about.signature, about.task
    );
    // Last, behind all that prompts of a rule share.
    for case in cases.iter().filter(|case| case.visible) {
        text += &format!(
            "\nExample: {}({}) returns {}.",
            about.entry(),
            literals(&case.args),
            case.expected
        );
    }
    text
}
