//! Two evaluations held against each other, in one message.

use serde::{Deserialize, Serialize};

use crate::Split;
use crate::metrics::Comparison;

/// Two iterations of one experiment, or of two, on the problems of a split that both were asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonReport {
    pub split: Split,
    pub before: ComparisonSide,
    pub after: ComparisonSide,
    /// Settings by which the two measure differently, as in "evaluate.temperature 0.8 → 0.2": with
    /// any of them the difference is not the training's alone.
    #[serde(default)]
    pub unlike: Vec<String>,
    /// Problems that both evaluated.
    pub shared: u32,
    /// `null` where they share too few.
    pub comparison: Option<Comparison>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonSide {
    /// The experiment's name.
    pub experiment: String,
    pub iteration: u32,
    /// How many problems of the split it evaluated.
    pub problems: u32,
}
