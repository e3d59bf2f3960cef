//! Statistics: intervals and exact tests over units, pass@k, paired comparisons, and sizes to plan
//! for. Pure and deterministic: what draws is given its seed. Nothing here knows of experiments.

mod crossed;
mod draws;
mod interval;
mod paired;
mod pass_at;
mod plan;
mod sign_flip;
pub mod synthetic;
mod tails;
mod units;

pub use crossed::{CrossedDifference, crossed};
pub use draws::Draws;
pub use interval::{Interval, wilson};
pub use paired::{McNemar, PairedDifference, mcnemar, paired};
pub use pass_at::pass_at;
pub use plan::least_gain;
pub use sign_flip::{sign_flip, smallest_p};
pub use tails::student_quantile;
pub use units::{Cluster, over_units, rate};

/// The normal quantile of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;
/// The error on each side of a two-sided 95 % interval.
pub const TAIL95: f64 = 0.025;
