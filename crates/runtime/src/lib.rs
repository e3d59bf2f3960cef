//! What every binary shares around its own work: telemetry, health, shutdown, named tasks, standard
//! output, the frame of the process. Knows nothing of experiments or jobs.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod admin;
pub mod child;
pub mod config;
pub mod connect;
pub mod log_file;
pub mod metrics;
pub mod offline;
pub mod openmp;
pub mod output;
pub mod paths;
pub mod process;
mod procfs;
pub mod rpc;
pub mod secret;
pub mod shutdown;
pub mod start_again;
pub mod tasks;
pub mod telemetry;
pub mod trace;
