//! Reads the command line, runs the command, prints what failed once, and ends with the documented
//! exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use grokctl::{Cli, Exit, Failure, Interrupt, run};
use groklab_runtime::output;

/// A command waits for others; one thread for it and one for signals and timers are enough.
const RUNTIME_THREADS: usize = 2;

fn main() -> ExitCode {
    let cli = groklab_runtime::config::parse::<Cli>();
    let exit = match serve(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            // Printed here alone, so that no command says it twice.
            output::complain(failure.report());
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}

fn serve(cli: Cli) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::other("start the async runtime").because(error))?;
    let outcome = runtime.block_on(async {
        let interrupt = Interrupt::listen()?;
        run(cli, interrupt).await
    });
    // A read of a file that never comes must not keep the process.
    runtime.shutdown_background();
    outcome
}
