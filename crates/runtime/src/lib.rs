//! What every binary shares around its own work: telemetry, shutdown, named tasks, standard output, the process's frame.
//! Knows nothing of experiments or jobs.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod alone;
pub mod child;
pub mod connect;
pub mod openmp;
pub mod output;
pub mod process;
pub mod secret;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;
pub mod trace;
