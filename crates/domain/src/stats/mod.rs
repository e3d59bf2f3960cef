//! Statistics: intervals, pass@k and paired comparisons. Pure and deterministic: what resamples is
//! given its seed. Nothing here knows of experiments.

mod draws;
mod interval;
mod paired;
mod pass_at;
mod tails;

pub use draws::Draws;
pub use interval::{Cluster, Interval, clustered, difference, wilson};
pub use paired::{McNemar, PairedDifference, mcnemar, paired};
pub use pass_at::pass_at;
pub use tails::{normal_quantile, student_quantile};

/// Resamples behind an interval in `metrics.jsonl`.
pub const RESAMPLES: usize = 2_000;
/// Resamples behind a comparison of two iterations: enough to tell p = 0.001 from p = 0.0002.
pub const COMPARISON_RESAMPLES: usize = 10_000;
/// The normal quantile of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;
