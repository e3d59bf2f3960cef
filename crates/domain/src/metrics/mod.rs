//! The lines of `metrics.jsonl` and `iterations.jsonl`: their shapes, how verdicts become them, and
//! how two iterations compare. It judges no code and measures no time; it refuses to count what is
//! missing or says nothing about a candidate.

mod compare;
mod error;
mod evaluate;
mod lines;

pub use compare::{
    Comparison, GreedyComparison, Incomparable, ProblemResult, SampledComparison, compare,
};
pub use error::Error;
pub use evaluate::{Breakdown, ProblemRef, RolloutOutcome, Sampling, evaluate};
pub use lines::{
    BySplit, Count, EvaluationSeconds, Grokking, IterationLine, IterationSeconds, MetricsLine,
    RolloutCounts, Sampled, Share, SplitMetrics, Training,
};
