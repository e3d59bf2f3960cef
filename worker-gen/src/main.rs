//! worker-gen: leases generate jobs and answers them with rollouts, or works on lines of standard
//! input.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use groklab_runtime::{alone, output, process};
use groklab_worker_gen::{
    alone::{doctor, generate, score_lines},
    config::{Cli, Command},
};

fn main() -> ExitCode {
    groklab_runtime::openmp::ensure_passive_waiting();
    let command = output::parse::<Cli>().command;
    // Before anything asks libtorch about devices or threads: it keeps its first answer on CUDA.
    groklab_model::load_cuda(command.device());
    match command {
        Command::Work(args) => {
            process::serve("worker-gen", |stop| groklab_worker_gen::work(args, stop))
        }
        Command::Generate(args) => alone::run("worker-gen", || generate(&args)),
        Command::Score(args) => alone::run("worker-gen", || score_lines(&args)),
        Command::Doctor(args) => alone::run("worker-gen", || doctor(&args)),
    }
}
