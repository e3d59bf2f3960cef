//! Grokking: whether a series of evaluations shows that a model memorised, stood on a plateau,
//! grokked, or showed emergence. A statement about the evaluations given, with an interval; it
//! never looks at rollouts, weights or losses.

mod detect;
mod plateau;
mod report;
mod rise;
mod series;

pub use detect::detect;
pub use plateau::Plateau;
pub use report::{Phase, Report};
pub use rise::Rise;
pub use series::{Evaluation, Parameters, Score, can_show};
