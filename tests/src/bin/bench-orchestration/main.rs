//! Benchmark of the orchestration alone: a real coordinator with its own Postgres, real gRPC, and workers that answer at once
//! without a model or a sandbox. Everything runs on this machine, so the simulated workers take their share of its cores too.
//! `make bench-orchestration`.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark: a failure is a panic with its place"
)]

mod claim;
mod cpu;
mod ingest;
mod simulated;
mod throughput;

use std::time::Duration;

use clap::Parser;
use groklab_proto::v1::{SubmitRequest, experiments_client::ExperimentsClient};
use groklab_tests::Stack;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use throughput::Load;
use tonic::transport::Channel;

/// A coordinator and a client for it.
pub struct Bench {
    pub stack: Stack,
    pub experiments: ExperimentsClient<Channel>,
}

impl Bench {
    /// Submits an evaluation of `problems` problems, `samples` samples each beside the greedy one, `iterations` + 1 times.
    pub async fn submit(
        &mut self,
        name: &str,
        problems: u32,
        samples: u32,
        iterations: u32,
    ) -> String {
        let file = format!(
            "name = \"{name}\"\niterations = {iterations}\n[model]\nsource = \"simulated.gguf\"\n[problems]\nfamilies = [\"digits\", \"bases\"]\nholdout = \"case\"\nrules = 6\n\
             difficulty = [6, 10]\ntrain = 12\nval = 2\ntest = {problems}\n[generate]\nmax_new_tokens = 64\nrollouts_per_job = {samples}\n\
             [evaluate]\nsamples = {samples}\n[train]\nmethod = \"none\"\n"
        );
        let config = groklab_domain::experiment::parse(&file).unwrap();
        let request = SubmitRequest {
            idempotency_key: name.to_owned(),
            config_json: serde_json::to_string(&config).unwrap(),
        };
        self.experiments
            .submit(request)
            .await
            .unwrap()
            .into_inner()
            .experiment
            .unwrap()
            .experiment_id
    }
}

/// Measures the orchestration: leases and completions, ingest of rollouts, and the plan of a claim among what that leaves.
#[derive(Parser)]
struct Args {
    /// Numbers of simulated workers
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1000])]
    workers: Vec<usize>,
    /// Workers that take their time over each job, so that they offer a rate instead of as much as
    /// is taken
    #[arg(long, default_value_t = 1000)]
    paced_workers: usize,
    /// How long each of them works on a job
    #[arg(long, default_value_t = 300)]
    paced_work_ms: u64,
    /// For each number of workers
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// To ingest
    #[arg(long, default_value_t = 1_000_000)]
    rollouts: u64,
}

/// Raises this process's limit on open files: every worker has a connection, some of the
/// measurement before it are still open, and the usual 1,024 leave 8 beside 1,000 workers.
fn make_room(workers: usize) {
    let wanted = 2 * workers as u64 + 256;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(
        hard >= wanted,
        "{workers} workers need {wanted} open files, and the limit is {hard}: raise it (ulimit -Hn)"
    );
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(wanted), hard).unwrap();
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let stack = Stack::coordinator(&["--lease-seconds", "600"]);
    let experiments = ExperimentsClient::connect(stack.address.clone())
        .await
        .unwrap();
    let mut bench = Bench { stack, experiments };
    let mut loads: Vec<Load> = args
        .workers
        .iter()
        .map(|&workers| Load {
            workers,
            work: Duration::ZERO,
        })
        .collect();
    loads.push(Load {
        workers: args.paced_workers,
        work: Duration::from_millis(args.paced_work_ms),
    });
    for load in &loads {
        make_room(load.workers);
    }
    throughput::run(&mut bench, &loads, args.seconds).await;
    ingest::run(&mut bench, args.rollouts).await;
    claim::run(&mut bench).await;
}
