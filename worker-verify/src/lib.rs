//! Verification: takes candidates out of rollouts, runs them in a sandbox, and makes verdicts outside it.
//! Distrusts every byte that comes from a candidate, and refuses to work when its sandbox does not hold.

mod arguments;
pub mod bench;
pub mod cgroup;
pub mod check;
pub mod doctor;
pub mod fake;
pub mod frame;
pub mod isolation;
mod line;
pub mod locate;
pub mod metrics;
pub mod nsjail;
mod policy;
pub mod pool;
mod process;
pub mod python;
pub mod sandbox;
pub mod seen;
pub mod selftest;
pub mod verify;
pub mod warm;
mod watch;
mod work;
mod zygote;

pub use isolation::Isolation;
pub use locate::locate;
pub use nsjail::{Config, Nsjail};
pub use process::return_large_blocks;
pub use sandbox::{InfrastructureError, Limits, Sandbox};
pub use verify::{Case, Failure, Outcome, Submission, verify};
pub use warm::Warm;
pub use work::work;
