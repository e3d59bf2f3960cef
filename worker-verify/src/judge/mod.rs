//! From a submission to a verdict: runs the candidate in a sandbox and compares, outside it, what
//! came back with what is expected. `rules.rs` alone says which verdict follows from what was seen.

pub mod outcome;
pub mod pool;
mod rules;
mod story;
pub mod submission;
pub mod verify;

pub use outcome::{Failure, Outcome, SecondOpinion};
pub use submission::{Case, Submission};
pub use verify::verify;
