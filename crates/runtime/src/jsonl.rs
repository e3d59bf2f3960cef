//! Files of one JSON object per line, as people write them: every complaint names the line, the field, its value and the fix.

use serde_json::{Map, Value};

use crate::tool::Failure;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    line: usize,
    message: String,
}

/// One line of a file.
#[derive(Debug, Clone)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    fields: Map<String, Value>,
}

/// As many complaints are shown at once.
const SHOWN: usize = 5;
/// Characters of a value that are shown.
const VALUE: usize = 60;

/// Reads every line of `bytes` with `parse`; blank lines are passed over. `name` is what complaints call the file.
pub fn read<T>(name: &str, bytes: &[u8], parse: impl Fn(Line) -> Result<T, Bad>) -> Result<Vec<T>, Failure> {
    let lines = bytes.split(|&byte| byte == b'\n').zip(1..).filter(|(line, _)| !line.trim_ascii().is_empty());
    all(name, lines.map(|(line, number)| Line::parse(number, line).and_then(&parse)))
}

/// All that is good, or the first complaints.
pub fn all<T>(name: &str, items: impl Iterator<Item = Result<T, Bad>>) -> Result<Vec<T>, Failure> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Ok(item) => good.push(item),
            Err(error) => bad.push(error),
        }
    }
    if bad.is_empty() {
        return Ok(good);
    }
    let mut shown: Vec<String> = bad.iter().take(SHOWN).map(|bad| format!("{name} line {}: {}", bad.line, bad.message)).collect();
    if bad.len() > SHOWN {
        shown.push(format!("and {} more lines", bad.len() - SHOWN));
    }
    Err(Failure::usage(anyhow::anyhow!(shown.join("\n  "))))
}

impl Line {
    fn parse(number: usize, line: &[u8]) -> Result<Self, Bad> {
        let bad = |message: String| Bad { line: number, message };
        match serde_json::from_slice(line) {
            Ok(Value::Object(fields)) => Ok(Self { number, fields }),
            Ok(other) => Err(bad(format!("{}: write one JSON object per line", shown(&other)))),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.split(" at line").next().unwrap_or_default();
                Err(bad(format!("not JSON at column {} ({reason}): write one JSON object per line", error.column())))
            }
        }
    }

    /// The value of `field`; null counts as absent.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// A complaint about the whole line.
    pub fn bad(&self, message: impl Into<String>) -> Bad {
        Bad { line: self.number, message: message.into() }
    }

    /// A complaint about a field: its value, and what would be right.
    pub fn wrong(&self, field: &str, fix: &str) -> Bad {
        match self.fields.get(field) {
            Some(value) => self.bad(format!("`{field}` = {}: {fix}", shown(value))),
            None => self.bad(format!("`{field}` is missing: {fix}")),
        }
    }

    /// The line's `id`: a text or a whole number.
    pub fn id(&self) -> Result<Value, Bad> {
        let id = self.get("id").filter(|id| id.is_string() || id.is_i64() || id.is_u64());
        id.cloned().ok_or_else(|| self.wrong("id", "give every line a text or a whole number to know its answer by"))
    }

    /// The one of `fields` that the line has.
    pub fn one_of<'a>(&self, fields: &[&'a str]) -> Result<&'a str, Bad> {
        let names = || fields.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" or ");
        let mut there = fields.iter().filter(|field| self.get(field).is_some());
        match (there.next(), there.next()) {
            (Some(field), None) => Ok(field),
            (Some(a), Some(b)) => Err(self.bad(format!("`{a}` and `{b}` are both given: give one of {}", names()))),
            (None, _) => {
                let given: Vec<String> = self.fields.keys().take(8).map(|key| format!("`{key}`")).collect();
                let given = if given.is_empty() { "no field".to_owned() } else { given.join(", ") };
                Err(self.bad(format!("has {given}: give {}", names())))
            }
        }
    }

    /// A text that is not empty.
    pub fn text(&self, field: &str) -> Result<String, Bad> {
        let text = self.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| self.wrong(field, "use a text that is not empty"))
    }

    /// Token ids, at least one.
    pub fn ids(&self, field: &str) -> Result<Vec<i64>, Bad> {
        let ids = self.get(field).and_then(Value::as_array).filter(|ids| !ids.is_empty());
        let ids: Option<Vec<i64>> = ids.and_then(|ids| ids.iter().map(|id| id.as_i64().filter(|id| *id >= 0)).collect());
        ids.ok_or_else(|| self.wrong(field, "use a list of token ids, at least one"))
    }

    /// A whole number from 1 on.
    pub fn count(&self, field: &str) -> Result<usize, Bad> {
        let count = self.get(field).and_then(Value::as_u64).filter(|&count| count > 0).and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| self.wrong(field, "use a whole number from 1 on"))
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(line: &str) -> String {
        let text = |line: Line| line.id().and_then(|_| line.text(line.one_of(&["prompt", "text"])?));
        format!("{:?}", read("in", format!("{{\"id\": 1, \"text\": \"a\"}}\n\n{line}\n").as_bytes(), text).unwrap_err())
    }

    #[test]
    fn complaints_name_line_field_value_and_fix() {
        let table = [
            ("{\"id\": 2", "in line 3: not JSON at column"),
            ("[1]", "in line 3: [1]: write one JSON object"),
            ("{\"text\": \"a\"}", "in line 3: `id` is missing: give every line"),
            ("{\"id\": null, \"text\": \"a\"}", "in line 3: `id` = null: give every line"),
            ("{\"id\": 2, \"promt\": \"a\"}", "in line 3: has `id`, `promt`: give `prompt` or `text`"),
            ("{\"id\": 2, \"prompt\": \"a\", \"text\": \"b\"}", "`prompt` and `text` are both given"),
            ("{\"id\": 2, \"prompt\": 7}", "in line 3: `prompt` = 7: use a text"),
        ];
        for (line, says) in table {
            assert!(complaint(line).contains(says), "{line}: {}", complaint(line));
        }
        assert!(complaint(&"x\n".repeat(9)).contains("and 4 more lines"));
        assert!(complaint(&format!("{{\"id\": 2, \"prompt\": [\"{}\"]}}", "é".repeat(99))).contains("é…"));
    }
}
