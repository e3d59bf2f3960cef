//! A worker that leases, answers at once with results of the right shape, and leases again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use groklab_domain::{
    Digest, WorkerId,
    candidate::{Candidate, Reason},
};
use groklab_proto::{
    convert,
    v1::{self, complete_request::Result as Outcome, job::Work, workers_client::WorkersClient},
};
use hdrhistogram::Histogram;
use tonic::{Code, Status, transport::Channel};

/// What a verification worker judges by.
const PYTHON: &str = "3.11.2";
const REPEAT_AFTER: Duration = Duration::from_millis(100);

/// What all workers of a measurement record.
pub struct Record {
    /// Microseconds of calls while `measuring`.
    pub leases: Mutex<Histogram<u64>>,
    pub completions: Mutex<Histogram<u64>>,
    pub rollouts: AtomicU64,
    /// Calls that the coordinator answered with `unavailable`, and that were made again.
    pub repeated: AtomicU64,
    pub measuring: AtomicBool,
    pub stop: AtomicBool,
}

impl Record {
    pub fn new() -> Arc<Self> {
        let histogram = || Mutex::new(Histogram::new_with_bounds(1, 60_000_000, 3).unwrap());
        Arc::new(Self {
            leases: histogram(),
            completions: histogram(),
            rollouts: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            measuring: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        })
    }

    fn note(&self, histogram: &Mutex<Histogram<u64>>, took: Duration) {
        if self.measuring.load(Ordering::Relaxed) {
            histogram
                .lock()
                .unwrap()
                .saturating_record(took.as_micros() as u64);
        }
    }

    /// What is unavailable is asked for again, as workers do; every other error ends the benchmark.
    async fn answered<T>(&self, answer: Result<tonic::Response<T>, Status>) -> Option<T> {
        let status = match answer {
            Ok(answer) => return Some(answer.into_inner()),
            Err(status) => status,
        };
        assert!(status.code() == Code::Unavailable, "{status}");
        if self.repeated.fetch_add(1, Ordering::Relaxed) == 0 {
            eprintln!("a call is made again, as all like it: {status}");
        }
        tokio::time::sleep(REPEAT_AFTER).await;
        None
    }

    /// Completes a job, however often that must be said.
    async fn complete(&self, workers: &mut WorkersClient<Channel>, request: v1::CompleteRequest) {
        loop {
            let answer = workers.complete(request.clone()).await;
            if let Some(answer) = self.answered(answer).await {
                assert!(answer.accepted, "the job has moved on");
                return;
            }
        }
    }
}

/// How long a worker waits before its first job, and how long it works on each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    pub first: Duration,
    pub work: Duration,
}

/// Works until told to stop; each worker has a connection of its own.
pub async fn work(address: String, kind: &'static str, pace: Pace, record: Arc<Record>) {
    let channel = Channel::from_shared(address)
        .unwrap()
        .tcp_nodelay(true)
        .connect()
        .await
        .unwrap();
    let mut workers = WorkersClient::new(channel)
        .max_decoding_message_size(16 << 20)
        .max_encoding_message_size(16 << 20);
    let worker_id = WorkerId::new().to_string();
    let register = v1::RegisterRequest {
        worker_id: worker_id.clone(),
        kind: kind.to_owned(),
        host: "simulated".to_owned(),
        python: PYTHON.to_owned(),
        ..Default::default()
    };
    while record
        .answered(workers.register(register.clone()).await)
        .await
        .is_none()
    {}
    tokio::time::sleep(pace.first).await;
    while !record.stop.load(Ordering::Relaxed) {
        let request = v1::LeaseRequest {
            worker_id: worker_id.clone(),
            kind: kind.to_owned(),
            capacity: 1,
            held: Vec::new(),
        };
        let asked = Instant::now();
        // One that found no work at once waited for it: that is not the coordinator's time.
        let Ok(answer) = tokio::time::timeout(Duration::from_secs(5), workers.lease(request)).await
        else {
            continue;
        };
        let Some(answer) = record.answered(answer).await else {
            continue;
        };
        for job in answer.jobs {
            record.note(&record.leases, asked.elapsed());
            let result = result(job.work.unwrap());
            let count = match &result {
                Outcome::Generate(result) => result.rollouts.len(),
                _ => 0,
            };
            let request = v1::CompleteRequest {
                worker_id: worker_id.clone(),
                job_id: job.job_id,
                fence: job.fence,
                seconds: 0.1,
                result: Some(result),
            };
            if !pace.work.is_zero() {
                tokio::time::sleep(pace.work).await;
            }
            let sent = Instant::now();
            record.complete(&mut workers, request).await;
            record.note(&record.completions, sent.elapsed());
            record.rollouts.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
}

fn result(work: Work) -> Outcome {
    match work {
        Work::Generate(job) => Outcome::Generate(v1::GenerateResult {
            base_digest: Digest::of(b"simulated").to_string(),
            adapter_id: String::new(),
            base_commit: String::new(),
            rollouts: job
                .prompts
                .iter()
                .flat_map(|prompt| {
                    prompt
                        .samples
                        .iter()
                        .map(|sample| rollout(prompt.problem, sample.sample))
                })
                .collect(),
        }),
        Work::Verify(job) => {
            let cases: Vec<(u32, bool)> = job
                .problems
                .iter()
                .flat_map(|p| p.cases.iter().map(|case| (p.problem, case.visible)))
                .collect();
            let count = |problem: u32, visible: bool| {
                cases
                    .iter()
                    .filter(|case| **case == (problem, visible))
                    .count() as u32
            };
            let verdicts = job
                .candidates
                .iter()
                .map(|c| verdict(c, count(c.problem, true), count(c.problem, false)));
            Outcome::Verify(v1::VerifyResult {
                python: PYTHON.to_owned(),
                verdicts: verdicts.collect(),
            })
        }
        Work::Train(_) => unreachable!("nothing is trained here"),
    }
}

/// Fifty tokens, as an answer of a few lines has.
fn rollout(problem: u32, sample: u32) -> v1::Rollout {
    let text = format!(
        "```python\ndef solve(n):\n    # {problem} {sample}\n    total = 0\n    for digit in str(n):\n        total += int(digit)\n    return total\n```"
    );
    let candidate = Candidate {
        start: 10,
        end: text.len() - 3,
        indent: 0,
        reason: Reason::DefinesEntry,
    };
    v1::Rollout {
        problem,
        sample,
        token_logprobs: Vec::new(),
        candidate: Some(convert::candidate_range(candidate)),
        token_ids: (0..50).collect(),
        text: text.into_bytes(),
        finish: "stop".to_owned(),
        prompt_tokens: 90,
        mean_logprob: -0.5,
    }
}

fn verdict(candidate: &v1::Candidate, visible: u32, hidden: u32) -> v1::RolloutVerdict {
    v1::RolloutVerdict {
        problem: candidate.problem,
        sample: candidate.sample,
        verdict: "passed".to_owned(),
        visible_passed: visible,
        visible_total: visible,
        hidden_passed: hidden,
        hidden_total: hidden,
        code: candidate.text[10..candidate.text.len() - 3].to_vec(),
        cpu_ms: 1.0,
        wall_ms: 2.0,
        peak_memory_kb: 9000,
        ..Default::default()
    }
}
