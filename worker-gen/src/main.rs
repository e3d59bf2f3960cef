//! worker-gen: leases generate jobs and answers them with rollouts; or completes and scores what is on stdin.

use std::process::ExitCode;

use clap::Parser;
use groklab_runtime::tool;
use groklab_worker_gen::{
    alone,
    config::{Cli, Command},
};

fn main() -> ExitCode {
    groklab_runtime::openmp::ensure_passive_waiting();
    match Cli::parse().command {
        Command::Work(args) => groklab_runtime::process::serve("worker-gen", |stop| groklab_worker_gen::work(args, stop)),
        Command::Generate(args) => tool::run("worker-gen", || alone::generate(&args)),
        Command::Score(args) => tool::run("worker-gen", || alone::score(&args)),
    }
}
