//! A line of `train.jsonl`, `val.jsonl`, `test.jsonl` or `ood.jsonl`: one problem with its cases.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{Digest, Split};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProblemLine {
    /// Counts from 0 through train, val, test and ood.
    pub problem: u32,
    pub split: Split,
    pub family: String,
    pub rule: String,
    pub difficulty: u32,
    pub prompt: String,
    /// The function that is asked for.
    pub entry: String,
    pub signature: String,
    pub cases: Vec<CaseLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseLine {
    /// An array of values in their JSON form, see [`crate::Value::to_json`].
    pub args: Json,
    pub expected: Json,
    /// Shown in the prompt.
    pub visible: bool,
}

impl ProblemLine {
    /// What tells the problem from all others, in whatever experiment and at whatever place it is
    /// asked: its rule, what it asks, and the cases that decide.
    pub fn identity(&self) -> Digest {
        // JSON quotes each part, so that no two problems run together into one text.
        let mut text = String::new();
        for part in [&self.family, &self.rule, &self.prompt] {
            text.push_str(&Json::from(part.as_str()).to_string());
        }
        for case in &self.cases {
            let case = serde_json::json!([case.args, case.expected, case.visible]);
            text.push_str(&case.to_string());
        }
        Digest::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(ordinal: u32, split: Split, expected: i64) -> ProblemLine {
        let case = CaseLine {
            args: serde_json::json!(["3 4 +"]),
            expected: expected.into(),
            visible: true,
        };
        ProblemLine {
            problem: ordinal,
            split,
            family: "rpn".to_owned(),
            rule: "plain".to_owned(),
            difficulty: 1,
            prompt: "Write `rpn`.".to_owned(),
            entry: "rpn".to_owned(),
            signature: "rpn(text: str) -> int".to_owned(),
            cases: vec![case],
        }
    }

    #[test]
    fn a_problem_is_the_same_wherever_it_stands() {
        let here = problem(3, Split::Test, 7);
        assert_eq!(here.identity(), problem(40, Split::Val, 7).identity());
        assert_ne!(here.identity(), problem(3, Split::Test, 8).identity());
    }
}
