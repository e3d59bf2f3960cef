//! worker-gen: leases generate jobs and answers them with rollouts, or works on lines of standard
//! input.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use groklab_runtime::{config::parse, offline, process::Service};
use groklab_worker_gen::{
    alone::{doctor, generate, score_lines},
    config::{Cli, Command},
};

const NAME: &str = "worker-gen";

fn main() -> ExitCode {
    groklab_runtime::openmp::ensure_passive_waiting();
    // Another worker may wait for the card, whose memory is free by now.
    groklab_runtime::start_again::release();
    let command = parse::<Cli>().command;
    // Before anything asks libtorch about devices or threads: it keeps its first answer on CUDA.
    if let Some(device) = command.device() {
        groklab_model::load_cuda(device);
    }
    match command {
        Command::Work(args) => {
            let service = Service::worker(NAME, args.worker.process.clone());
            service.run(|process| groklab_worker_gen::work(args, process))
        }
        Command::Health(args) => args.run(NAME),
        Command::Generate(args) => offline::run(NAME, || generate(&args)),
        Command::Score(args) => offline::run(NAME, || score_lines(&args)),
        Command::Doctor(args) => offline::run(NAME, || doctor(&args)),
    }
}
