//! The lives of jobs: handed out, extended, completed, given back. What they are about is the
//! kinds' affair.

mod calls;
mod claims;
mod completions;
mod group_commit;
mod retry;

pub use claims::{Claims, LeaseRequest};
pub use completions::{Completion, Completions, Outcome};
pub use group_commit::{Queue, lanes};
pub use retry::after_return;
