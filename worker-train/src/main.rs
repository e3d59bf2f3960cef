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
    let command = output::parse::<Cli>().command;
    // Before anything asks libtorch about devices or threads: it keeps its first answer on CUDA.
    groklab_model::load_cuda(command.device());
    match command {
        Command::Work(args) => process::serve("worker-train", |stop| {
            groklab_worker_train::work(args, stop)
        }),
        Command::Fit(args) => alone::run("worker-train", || fit(&args)),
    }
}
