//! What people and programs read of an experiment, each shape declared once: the lines of an
//! export, the timeline, states, comparisons. The coordinator answers with these, an export holds
//! them, and whatever draws or prints starts from them.

mod comparison;
mod event;
mod experiment;
mod json_line;
mod outcomes;
mod problem;
mod rollout;
mod source;
mod worker;

pub use comparison::{ComparisonReport, ComparisonSide};
pub use event::{Event, EventLine, JobLabel, Level, UnreadableEvent};
pub use experiment::{ExperimentRecord, ExperimentUpdate, Footprint, Parent, Progress};
pub use json_line::JsonLine;
pub use outcomes::{EvaluatedSample, Outcomes};
pub use problem::{CaseLine, ProblemLine};
pub use rollout::{CandidateSpan, FirstFailure, RolloutFilter, RolloutLine};
pub use source::ExperimentSource;
pub use worker::{WorkerJob, WorkerRecord};
