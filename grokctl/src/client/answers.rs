//! What is asked and answered beside the domain's records.

use std::{fmt, num::ParseIntError};

use groklab_domain::{
    metrics::{IterationLine, MetricsLine},
    records::{ExperimentRecord, JsonLine},
};

/// An experiment that was stored, and what looks unintended in it.
#[derive(Debug, Clone)]
pub struct Submitted {
    pub experiment: ExperimentRecord,
    pub warnings: Vec<String>,
}

/// Every line of an experiment's metrics.jsonl and iterations.jsonl so far.
#[derive(Debug, Clone, Default)]
pub struct MetricsLines {
    pub metrics: Vec<JsonLine<MetricsLine>>,
    pub iterations: Vec<JsonLine<IterationLine>>,
}

/// A piece of a file of an export; the pieces of a file come in order.
#[derive(Debug, Clone)]
pub struct ExportPiece {
    /// Relative, with forward slashes. Chosen by the coordinator, and not to be trusted.
    pub path: String,
    pub data: Vec<u8>,
}

/// One evaluation of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// An id, a unique beginning of it, or a name.
    pub experiment: String,
    /// `None`: the last evaluated one.
    pub iteration: Option<u32>,
}

impl Evaluation {
    /// Reads `name` or `name@iteration`.
    pub fn parse(text: &str) -> Result<Self, ParseIntError> {
        let (experiment, iteration) = match text.rsplit_once('@') {
            // The last one counts, since a name may hold an `@` itself.
            Some((experiment, iteration)) => (experiment, Some(iteration.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            experiment: experiment.to_owned(),
            iteration,
        })
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.iteration {
            Some(iteration) => write!(f, "{}@{iteration}", self.experiment),
            None => f.write_str(&self.experiment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_is_named_by_its_iteration_or_is_the_last() {
        let parsed = Evaluation::parse("a@b@12").unwrap();
        assert_eq!(
            (parsed.experiment.as_str(), parsed.iteration),
            ("a@b", Some(12))
        );
        assert_eq!(parsed.to_string(), "a@b@12");
        assert_eq!(Evaluation::parse("quick").unwrap().iteration, None);
        assert!(Evaluation::parse("quick@last").is_err());
    }
}
