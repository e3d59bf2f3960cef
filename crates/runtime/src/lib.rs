//! What every binary shares around its own work: telemetry, shutdown, named tasks, the process's frame.
//! Knows nothing of experiments or jobs.

pub mod alone;
pub mod child;
pub mod connect;
pub mod openmp;
pub mod process;
pub mod secret;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod trace;
