//! Jobs: what one is, how an experiment becomes jobs, what comes next, whose turn it is, who holds
//! one. Pure: the coordinator loads, asks here, and stores.

mod adapter;
mod claim;
mod decide;
mod plan;
mod size;
mod spec;
mod stop;
mod turns;

pub use adapter::AdapterRef;
pub use claim::{Claim, ClaimStatus, JobState};
pub use decide::{Phase, Snapshot, Step, decide};
pub use plan::{JobCounts, iteration_jobs, training_job};
pub use size::{
    MESSAGE_BYTES, ProblemSize, RESULT_BYTES, TOKEN_BYTES, TooLarge, check_message_size,
};
pub use spec::{Batch, Job, Spec};
pub use stop::{StopDecision, decide_stop};
pub use turns::{Turns, Waiting};
