//! What a program's `doctor` finds on a machine, a line each.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Good,
    /// Works, but slower or weaker than it could.
    Weak,
    /// The program will not start.
    Missing,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub level: Level,
    pub what: Cow<'static, str>,
    pub details: String,
}

impl Finding {
    pub fn new(level: Level, what: &'static str, details: impl Into<String>) -> Self {
        Self {
            level,
            what: what.into(),
            details: details.into(),
        }
    }

    /// `ok    driver         580.95.05`
    pub fn line(&self) -> String {
        let mark = match self.level {
            Level::Good => "ok",
            Level::Weak => "weak",
            Level::Missing => "FAIL",
        };
        format!("{mark:<5} {:<14} {}", self.what, self.details)
    }

    /// The line, or for a program that asks an object of JSON.
    pub fn shown(&self, json: bool) -> String {
        if json {
            serde_json::json!(self).to_string()
        } else {
            self.line()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_reads_is_what_a_person_reads() {
        let found = Finding::new(Level::Missing, "postgres", "not here: `apt-get …`");
        assert_eq!(
            found.shown(false),
            "FAIL  postgres       not here: `apt-get …`"
        );
        let read: Finding = serde_json::from_str(&found.shown(true)).unwrap();
        assert_eq!(read, found);
    }
}
