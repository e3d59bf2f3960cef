//! What the three workers share: register, lease, run on a thread of its own, heartbeat, report,
//! drain. Knows jobs and leases; knows nothing of models or sandboxes.

pub mod artifacts;
mod cache;
pub mod client;
mod compute;
pub mod config;
mod failure;
mod heartbeat;
mod job;
mod metrics;
mod report;
mod run;
mod sharing;
mod signal;
mod status;
mod wire;

pub use config::{Args, ChatArgs, Description};
pub use failure::{Cancelled, Failure};
pub use job::{Context, Executor};
pub use metrics::GpuMemory;
pub use run::run;
pub use sharing::SharingArgs;
pub use wire::{Outcome, Work};
