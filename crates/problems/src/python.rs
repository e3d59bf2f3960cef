//! The Python of a family's folder. A rule's solution is a file with the rule's parameters as
//! constants before it; the file may say for which rules it is meant.

use groklab_domain::Value;

use crate::family::RuleText;

/// The Python files of a family's folder: names and texts.
pub(crate) struct Python {
    pub reference: &'static str,
    /// Each fails a hidden case of every problem of the rules that it is meant for.
    pub wrong: &'static [(&'static str, &'static str)],
    /// Whole solutions of one rule, written by somebody who saw its prompt alone.
    pub blind: &'static [(&'static str, &'static str)],
}

/// What stands before the constants that a wrong solution is meant for, and for which it is not.
const ONLY: &str = "# only: ";
const UNLESS: &str = "# unless: ";
/// What stands before the id of the rule that a blind solution solves.
const RULE: &str = "# rule: ";

/// Python literals, separated by `, `.
pub(crate) fn literals(values: &[Value]) -> String {
    values
        .iter()
        .map(Value::python)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The rule's parameters as Python constants, one a line.
fn constants(text: &RuleText) -> String {
    let mut lines = String::new();
    for (name, value) in &text.parameters {
        lines += &format!("{name} = {}\n", value.python());
    }
    lines
}

/// The file as a solution of the rule.
pub(crate) fn code(text: &RuleText, file: &str) -> String {
    format!("{}\n{file}", constants(text))
}

/// Whether a wrong solution is meant for the rule: its `# only: NAME = value` lines are all among
/// the rule's constants, and none of its `# unless: NAME = value` lines is.
pub(crate) fn is_meant_for(text: &RuleText, file: &str) -> bool {
    let constants = constants(text);
    let has = |line: &str| constants.lines().any(|constant| constant == line);
    file.lines().all(|line| {
        let wanted = line.strip_prefix(ONLY).is_none_or(has);
        let unwanted = line.strip_prefix(UNLESS).is_some_and(has);
        wanted && !unwanted
    })
}

/// The rule that a blind solution solves, by its first line.
pub(crate) fn blind_rule(file: &str) -> Option<&str> {
    file.lines().next()?.strip_prefix(RULE).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_decide_for_whom_a_file_is_meant() {
        let text = RuleText {
            id: "base=2".to_owned(),
            signature: "def f(n: int) -> str".to_owned(),
            task: String::new(),
            parameters: vec![("BASE", Value::int(2)), ("DIGITS", Value::str("01"))],
            lowest_difficulty: 1,
        };
        assert_eq!(code(&text, "x\n"), "BASE = 2\nDIGITS = '01'\n\nx\n");
        for (file, meant) in [
            ("pass", true),
            ("# only: BASE = 2\npass", true),
            ("# only: BASE = 3\npass", false),
            ("# unless: DIGITS = '01'\npass", false),
            ("# unless: BASE = 22\n# only: BASE = 2\npass", true),
        ] {
            assert_eq!(is_meant_for(&text, file), meant, "{file}");
        }
        assert_eq!(blind_rule("# rule: base=2\ndef f(n): ..."), Some("base=2"));
        assert_eq!(blind_rule("def f(n): ..."), None);
    }
}
