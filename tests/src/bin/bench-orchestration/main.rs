//! Benchmark of the orchestration alone: a real coordinator with its own Postgres, real gRPC, and workers that answer at once
//! without a model or a sandbox. Everything runs on this machine, so the simulated workers take their share of its cores too.
//! `make bench-orchestration`.

#![expect(clippy::unwrap_used, reason = "a benchmark: a failure is a panic with its place")]

mod claim;
mod cpu;
mod ingest;
mod simulated;
mod throughput;

use groklab_proto::v1::{SubmitRequest, experiments_client::ExperimentsClient};
use groklab_tests::Stack;
use tonic::transport::Channel;

/// A coordinator and a client for it.
pub struct Bench {
    pub stack: Stack,
    pub experiments: ExperimentsClient<Channel>,
}

impl Bench {
    /// Submits an evaluation of `problems` problems, `samples` samples each beside the greedy one, `iterations` + 1 times.
    pub async fn submit(&mut self, name: &str, problems: u32, samples: u32, iterations: u32) -> String {
        let file = format!(
            "name = \"{name}\"\niterations = {iterations}\n[model]\nsource = \"simulated.gguf\"\n[problems]\nfamilies = [\"sum_digits\", \"gcd\"]\n\
             difficulty = [6, 10]\ntrain = 12\nval = 2\ntest = {problems}\n[generate]\nmax_new_tokens = 64\nrollouts_per_job = {samples}\n\
             [evaluate]\nsamples = {samples}\n[train]\nmethod = \"none\"\n"
        );
        let config = groklab_domain::experiment::parse(&file).unwrap();
        let request = SubmitRequest { idempotency_key: name.to_owned(), config_json: serde_json::to_string(&config).unwrap() };
        self.experiments.submit(request).await.unwrap().into_inner().experiment.unwrap().experiment_id
    }
}

/// `--rollouts N` for the ingest, `--seconds N` for each number of workers, `--workers N` for that number alone.
fn flag(name: &str, default: u64) -> u64 {
    let args: Vec<String> = std::env::args().collect();
    let at = args.iter().position(|arg| arg == name);
    at.map_or(default, |at| args[at + 1].parse().unwrap())
}

#[tokio::main]
async fn main() {
    let stack = Stack::coordinator(&["--lease-seconds", "600"]);
    let experiments = ExperimentsClient::connect(stack.address.clone()).await.unwrap();
    let mut bench = Bench { stack, experiments };
    let workers = match flag("--workers", 0) {
        0 => vec![1, 10, 100, 1000],
        some => vec![some as usize],
    };
    throughput::run(&mut bench, &workers, flag("--seconds", 10)).await;
    ingest::run(&mut bench, flag("--rollouts", 1_000_000)).await;
    claim::run(&mut bench).await;
}
