//! What the three workers share: register, lease, run on a thread of its own, heartbeat, report,
//! drain. Knows jobs and leases; knows nothing of models or sandboxes.

pub mod artifacts;
pub mod client;
mod compute;
pub mod config;
mod heartbeat;
mod job;
mod metrics;
mod report;
mod run;
mod status;

pub use config::{Args, ChatArgs, Description};
pub use job::{Cancelled, Context, Executor, Failure, Work};
pub use run::run;

/// The results a job may have, as [`Executor::execute`] returns them.
pub use groklab_proto::v1::complete_request::Result as Outcome;
