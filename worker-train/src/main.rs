//! worker-train: leases train jobs and answers them with adapters, or trains on a file.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use groklab_runtime::{config::parse, offline, process::Service};
use groklab_worker_train::{
    config::{Cli, Command},
    fit::fit,
    take_home,
};

const NAME: &str = "worker-train";

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
            service.run(|process| groklab_worker_train::work(args, process))
        }
        Command::Health(args) => args.run(NAME),
        Command::Fit(args) => offline::run(NAME, || fit(&args)),
        Command::Merge(args) => offline::run(NAME, || take_home::merge(&args)),
        Command::GgufLora(args) => offline::run(NAME, || take_home::gguf_lora(&args)),
        Command::Tokenizer(args) => offline::run(NAME, || take_home::tokenizer(&args)),
    }
}
