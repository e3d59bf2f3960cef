//! Verification: takes candidates out of rollouts, runs them in a sandbox, and makes verdicts
//! outside it. Distrusts every byte that comes from a candidate, and refuses to work when its
//! sandbox does not hold.

pub mod commands;
pub mod fake;
pub mod jail;
pub mod judge;
pub mod metrics;
pub mod sandbox;
pub mod wire;

pub use commands::work;
pub use jail::{Config, Isolation, Nsjail, Warm, locate, return_large_blocks};
pub use judge::{Case, Failure, Outcome, Submission, verify};
pub use sandbox::{InfrastructureError, Limits, Sandbox};
