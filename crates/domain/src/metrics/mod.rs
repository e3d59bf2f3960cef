//! The lines of `metrics.jsonl` and `iterations.jsonl`: their shapes, how verdicts become them, and
//! how two iterations compare. It judges no code and measures no time; it refuses to count what is
//! missing or says nothing about a candidate.

mod compare;
mod decomposition;
mod error;
mod evaluate;
mod group;
mod lines;
mod problem_ref;
mod series;

pub use compare::{Compared, Comparison, Incomparable, ProblemResult, compare};
pub use decomposition::{Decomposition, Part, decompose};
pub use error::Error;
pub use evaluate::{Breakdown, RolloutOutcome, Sampling, evaluate};
pub use group::{Arm, ArmDifference, GroupReport, NoGroup, Run, pool};
pub use lines::{
    BySplit, Count, EvaluationSeconds, Grokking, IterationLine, IterationSeconds, MetricsLine,
    RolloutCounts, Sampled, Share, SplitMetrics, Training,
};
pub use problem_ref::{ProblemRef, count_units, own_unit, split_unit, unit_of};
pub use series::{detect_families, series};
