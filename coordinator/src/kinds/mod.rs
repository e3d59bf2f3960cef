//! Kinds of jobs, a file each: a kind's message to workers, the check of its results, their
//! storage. Which kind follows it is `JobKind::followed_by`. `docs/extending.md` has the recipe for
//! another one.

mod contract;
mod dispatch;
mod generate;
mod train;
mod verify;

pub use contract::{Experiments, Refusal};
pub use dispatch::{Accepted, Assignment, Completed, Results, assign, losses_before_split, take};
