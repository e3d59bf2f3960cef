//! worker-gen: leases generate jobs and answers them with rollouts.

use std::process::ExitCode;

use clap::Parser;
use groklab_worker_gen::config::{Cli, Command};

fn main() -> ExitCode {
    groklab_runtime::openmp::ensure_passive_waiting();
    match Cli::parse().command {
        Command::Work(args) => groklab_runtime::process::serve("worker-gen", |stop| groklab_worker_gen::work(args, stop)),
    }
}
