//! A problem and its prompt. The prompt's common part comes first and the visible cases last, so
//! prompts of a rule share a prefix.

use groklab_domain::{
    Split, Value,
    metrics::{own_unit, split_unit},
};
use serde::{Deserialize, Serialize};

use crate::{
    bucket::hash,
    family::{RuleText, Unit},
    python::literals,
};

/// One rule asked once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// Place within the experiment: by split, then family, then order within the family.
    pub ordinal: u32,
    pub family: String,
    /// The rule's id; where each problem is a unit of its own, with an end that says which.
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

impl Problem {
    /// The id of the rule that is asked.
    pub fn rule_id(&self) -> &str {
        split_unit(&self.rule).0
    }
}

/// The name that the problem's rule goes by, which says what its unit is.
pub(crate) fn rule_name(unit: Unit, id: &str, cases: &[Case]) -> String {
    match unit {
        Unit::Rule => id.to_owned(),
        Unit::Problem => {
            // By what is asked, so that no size and no other problem changes it.
            let asked: Vec<&str> = cases.iter().map(|case| case.canonical.as_str()).collect();
            own_unit(id, &format!("{:016x}", hash("groklab 2026 unit", &asked)))
        }
    }
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
