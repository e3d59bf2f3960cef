//! What a worker's `doctor` finds, a line each.

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Good,
    /// Works, but slower or weaker than it could.
    Weak,
    /// The worker will not start.
    Missing,
}

/// One line of the report.
#[derive(Debug, Clone)]
pub struct Finding {
    pub level: Level,
    pub what: &'static str,
    pub details: String,
}

impl Finding {
    /// `ok    driver         580.95.05`
    pub fn line(&self) -> String {
        let mark = match self.level {
            Level::Good => "ok",
            Level::Weak => "weak",
            Level::Missing => "FAIL",
        };
        format!("{mark:<5} {:<14} {}", self.what, self.details)
    }
}
