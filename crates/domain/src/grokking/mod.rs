//! Grokking: whether a series of evaluations shows that a model memorised, generalised late,
//! grokked, or showed emergence. A statement about the evaluations given, with intervals over units
//! (what falls together: a rule, as a rule); it never looks at rollouts, weights or losses.

mod agreement;
mod detect;
mod emergence;
mod isotonic;
mod parameters;
mod phrases;
mod planned;
mod report;
mod resample;
mod series;
mod shape;
pub mod synthetic;

pub use detect::detect;
pub use parameters::{LEAST_UNITS, Parameters};
pub use planned::{Planned, Rates};
pub use report::{Certainty, Estimate, Phase, Report, UnitCounts};
pub use series::{Series, Unit};
