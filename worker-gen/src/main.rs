//! worker-gen: leases generate jobs and answers them with rollouts, or works on lines of standard input.

use std::process::ExitCode;

use clap::Parser;
use groklab_runtime::{alone, process};
use groklab_worker_gen::{
    alone::{generate, score_lines},
    config::{Cli, Command},
};

fn main() -> ExitCode {
    groklab_runtime::openmp::ensure_passive_waiting();
    match Cli::parse().command {
        Command::Work(args) => process::serve("worker-gen", |stop| groklab_worker_gen::work(args, stop)),
        Command::Generate(args) => alone::run("worker-gen", || generate(&args)),
        Command::Score(args) => alone::run("worker-gen", || score_lines(&args)),
    }
}
