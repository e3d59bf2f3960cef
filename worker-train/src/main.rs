//! worker-train: leases train jobs and answers them with adapters; or fits an adapter to a file of examples.

use std::process::ExitCode;

use clap::Parser;
use groklab_runtime::tool;
use groklab_worker_train::config::{Cli, Command};

fn main() -> ExitCode {
    groklab_runtime::openmp::ensure_passive_waiting();
    match Cli::parse().command {
        Command::Work(args) => groklab_runtime::process::serve("worker-train", |stop| groklab_worker_train::work(args, stop)),
        Command::Fit(args) => tool::run("worker-train", || groklab_worker_train::fit(&args)),
    }
}
