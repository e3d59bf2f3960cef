//! Starts a coordinator.

use std::process::ExitCode;

use groklab_coordinator::{Command, Config};

fn main() -> ExitCode {
    match Config::from_args() {
        Ok(Command::Run(config)) => groklab_runtime::process::serve("coordinator", |stop| groklab_coordinator::run(*config, stop)),
        Ok(Command::Print(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("coordinator: error: {error:#}");
            ExitCode::from(groklab_runtime::process::USAGE)
        }
    }
}
