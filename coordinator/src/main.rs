//! Starts a coordinator.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use groklab_coordinator::{Command, Config};
use groklab_runtime::{alone, output};

fn main() -> ExitCode {
    match Config::from_args() {
        Ok(Command::Run(config)) => groklab_runtime::process::serve("coordinator", |stop| {
            groklab_coordinator::run(*config, stop)
        }),
        Ok(Command::Print(text)) => alone::run("coordinator", || Ok(output::line(text)?)),
        Err(error) => {
            output::complain(format!("coordinator: error: {error:#}"));
            ExitCode::from(groklab_runtime::process::USAGE)
        }
    }
}
