//! worker-train: leases train jobs and answers them with adapters, or trains on a file.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use groklab_runtime::{alone, output, process};
use groklab_worker_train::{
    config::{Cli, Command},
    fit::fit,
};

fn main() -> ExitCode {
    groklab_runtime::openmp::ensure_passive_waiting();
    match output::parse::<Cli>().command {
        Command::Work(args) => process::serve("worker-train", |stop| {
            groklab_worker_train::work(args, stop)
        }),
        Command::Fit(args) => alone::run("worker-train", || fit(&args)),
    }
}
