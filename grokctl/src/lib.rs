//! grokctl: brings Groklab up on one machine, submits experiments, shows their progress and takes their results home.
//! Asks the coordinator for everything; never touches the database or a model.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod cli;
mod client;
mod commands;
mod console;
mod experiment_file;
mod failure;
mod interrupt;
mod place;
mod report;
mod results;
mod up;
mod view;

pub use cli::Cli;
pub use commands::run;
pub use failure::{Exit, Failure};
pub use interrupt::Interrupt;
