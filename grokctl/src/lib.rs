//! grokctl: brings Groklab up on one machine, submits experiments, shows their progress and takes
//! their results home. Asks the coordinator for everything; never touches the database or a model.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod address;
mod cli;
mod client;
mod commands;
mod console;
mod curves;
mod data_folder;
mod experiment_file;
mod failure;
mod interrupt;
mod lock;
mod login_file;
mod reference;
#[cfg(test)]
mod sample;
mod secrets;
mod up;
mod url;
mod view;

pub use cli::Cli;
pub use commands::run;
pub use failure::{Exit, Failure};
pub use interrupt::Interrupt;
