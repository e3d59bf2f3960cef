//! A worker that pretends: what it writes, how it judges and what it trains follow from the job alone.
//! Greedily the untrained model solves every third problem, a trained one two of three; samples with an even number are right.

use groklab_domain::{Digest, WorkerId, candidate::Candidate, experiment::is_hub_id};
use groklab_proto::{
    convert,
    v1::{self, complete_request::Result as Outcome, job::Work},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::Coordinator;

pub const CORRECT: &[u8] = b"def f(n):\n    return 2 * n\n";
pub const WRONG: &[u8] = b"def f(n):\n    return 1\0\xff\n";

/// What every adapter is, as the default file asks for it.
pub const ADAPTER_CONFIG: &[u8] = br#"{"r": 16, "lora_alpha": 32, "target_modules":
    ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]}"#;

/// What verification workers have, unless a test says otherwise.
pub const PYTHON: &str = "3.11.2";

/// What `main` is, and every other revision, of models that are named by a hub id.
pub const COMMIT: &str = "00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee";

fn commit(base: &Option<v1::BaseModel>) -> String {
    match base {
        Some(base) if is_hub_id(&base.source) => COMMIT.to_owned(),
        _ => String::new(),
    }
}

pub fn base() -> String {
    Digest::of(b"base").to_string()
}

/// A registered worker.
pub struct Worker {
    pub id: String,
    pub kind: &'static str,
    workers: v1::workers_client::WorkersClient<tonic::transport::Channel>,
    artifacts: v1::artifacts_client::ArtifactsClient<tonic::transport::Channel>,
    /// Every rollout is wrong.
    pub hopeless: bool,
    /// The version of its interpreter.
    pub python: &'static str,
}

impl Worker {
    pub async fn register(coordinator: &Coordinator, kind: &'static str) -> Self {
        let id = WorkerId::new().to_string();
        let mut worker = Self {
            id,
            kind,
            workers: coordinator.workers(),
            artifacts: coordinator.artifacts(),
            hopeless: false,
            python: PYTHON,
        };
        worker.introduce().await;
        worker
    }

    /// Registers, or registers again.
    pub async fn introduce(&mut self) {
        let request = v1::RegisterRequest {
            worker_id: self.id.clone(),
            kind: self.kind.to_owned(),
            host: "here".to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            version: "test".to_owned(),
            python: self.python.to_owned(),
        };
        self.workers.register(request).await.unwrap();
    }

    /// The same worker for another call at once.
    pub fn again(&self) -> Self {
        Self {
            id: self.id.clone(),
            kind: self.kind,
            workers: self.workers.clone(),
            artifacts: self.artifacts.clone(),
            hopeless: self.hopeless,
            python: self.python,
        }
    }

    /// Waits for one job.
    pub async fn lease(&mut self) -> v1::Job {
        loop {
            if let Some(job) = self.try_lease().await.unwrap() {
                return job;
            }
        }
    }

    /// Asks for a job once.
    pub async fn try_lease(&mut self) -> Result<Option<v1::Job>, tonic::Status> {
        let request = v1::LeaseRequest {
            worker_id: self.id.clone(),
            kind: self.kind.to_owned(),
            capacity: 1,
            held: vec![],
        };
        Ok(self.workers.lease(request).await?.into_inner().jobs.pop())
    }

    pub async fn complete(
        &mut self,
        job: &v1::Job,
        result: Outcome,
    ) -> Result<bool, tonic::Status> {
        let request = v1::CompleteRequest {
            worker_id: self.id.clone(),
            job_id: job.job_id.clone(),
            fence: job.fence,
            seconds: 0.25,
            result: Some(result),
        };
        self.workers
            .complete(request)
            .await
            .map(|response| response.into_inner().accepted)
    }

    pub async fn fail(&mut self, job: &v1::Job, fault: &str, reason: &str) {
        let request = v1::FailRequest {
            worker_id: self.id.clone(),
            job_id: job.job_id.clone(),
            fence: job.fence,
            fault: fault.to_owned(),
            reason: reason.to_owned(),
        };
        self.workers.fail(request).await.unwrap();
    }

    /// The jobs to drop.
    pub async fn heartbeat(&mut self, job: &v1::Job) -> Vec<String> {
        let held = vec![v1::Held {
            job_id: job.job_id.clone(),
            fence: job.fence,
            units_done: 1,
            units_total: 0,
        }];
        self.workers
            .heartbeat(v1::HeartbeatRequest {
                worker_id: self.id.clone(),
                held,
            })
            .await
            .unwrap()
            .into_inner()
            .dropped
    }

    pub async fn leave(&mut self) {
        self.workers
            .leave(v1::LeaveRequest {
                worker_id: self.id.clone(),
            })
            .await
            .unwrap();
    }

    /// The one right result of a job.
    pub async fn work(&mut self, job: &v1::Job) -> Outcome {
        match job.work.as_ref().unwrap() {
            Work::Generate(work) => Outcome::Generate(self.generate(work)),
            Work::Verify(work) => Outcome::Verify(v1::VerifyResult {
                python: self.python.to_owned(),
                ..verify(work)
            }),
            Work::Train(work) => Outcome::Train(self.train(work).await),
        }
    }

    fn generate(&self, job: &v1::GenerateJob) -> v1::GenerateResult {
        let trained = job.adapter.is_some();
        let rollouts = job.prompts.iter().flat_map(|prompt| {
            prompt
                .samples
                .iter()
                .map(move |sample| (prompt.problem, sample.sample))
        });
        let rollouts = rollouts.map(|(problem, sample)| {
            let greedy = if trained {
                problem % 3 != 1
            } else {
                problem % 3 == 0
            };
            let right = !self.hopeless && if sample == 0 { greedy } else { sample % 2 == 0 };
            v1::Rollout {
                problem,
                sample,
                token_ids: vec![problem, sample, 7],
                text: if right { CORRECT } else { WRONG }.to_vec(),
                finish: "stop".to_owned(),
                prompt_tokens: 5,
                mean_logprob: -0.5,
                token_logprobs: Vec::new(),
                candidate: Some(convert::candidate_range(Candidate::of(
                    if right { CORRECT } else { WRONG },
                    "solve",
                ))),
            }
        });
        v1::GenerateResult {
            base_digest: base(),
            adapter_id: job
                .adapter
                .as_ref()
                .map(|adapter| adapter.id.clone())
                .unwrap_or_default(),
            rollouts: rollouts.collect(),
            base_commit: commit(&job.base),
        }
    }

    async fn train(&mut self, job: &v1::TrainJob) -> v1::TrainResult {
        let set = self.get(&job.training_set_digest).await.unwrap();
        let examples = set.iter().filter(|&&byte| byte == b'\n').count() as u32;
        let config = self.put(ADAPTER_CONFIG).await;
        let weights = self
            .put(format!("{} {}", job.training_set_digest, job.seed).as_bytes())
            .await;
        let optimiser_digest = self.put(b"optimiser").await;
        let id = Digest::of(format!("{config}{weights}").as_bytes()).to_string();
        let step = |step| v1::TrainingStep {
            step,
            loss: 1.0 / f64::from(step + 1),
            grad_norm: 1.0,
            learning_rate: 1e-4,
            tokens: 10,
        };
        v1::TrainResult {
            base_digest: base(),
            adapter: Some(v1::Adapter {
                id,
                config_digest: config,
                weights_digest: weights,
            }),
            optimiser_digest,
            examples,
            tokens: 20,
            steps: vec![step(0), step(1)],
            base_commit: commit(&job.base),
        }
    }

    /// Stores bytes in two chunks; returns their digest.
    pub async fn put(&mut self, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        self.put_as(&digest, bytes).await.unwrap();
        digest
    }

    pub async fn put_as(&mut self, digest: &str, bytes: &[u8]) -> Result<u64, tonic::Status> {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let chunks = vec![
            v1::ArtifactChunk {
                digest: digest.to_owned(),
                data: first.to_vec(),
            },
            v1::ArtifactChunk {
                digest: String::new(),
                data: second.to_vec(),
            },
        ];
        self.artifacts
            .put(tokio_stream::iter(chunks))
            .await
            .map(|response| response.into_inner().size)
    }

    pub async fn get(&mut self, digest: &str) -> Result<Vec<u8>, tonic::Status> {
        let mut chunks = self
            .artifacts
            .get(v1::GetArtifactRequest {
                digest: digest.to_owned(),
            })
            .await?
            .into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.message().await? {
            bytes.extend(chunk.data);
        }
        Ok(bytes)
    }

    /// Works until the guard is dropped.
    pub fn run(mut self) -> DropGuard {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let work = async move {
            loop {
                let job = self.lease().await;
                let result = self.work(&job).await;
                assert!(self.complete(&job, result).await.unwrap());
            }
        };
        tokio::spawn(stopped.run_until_cancelled_owned(work));
        stop.drop_guard()
    }
}

/// A worker of each kind.
pub async fn crew(coordinator: &Coordinator) -> Vec<DropGuard> {
    let mut crew = Vec::new();
    for kind in ["generate", "verify", "train"] {
        crew.push(Worker::register(coordinator, kind).await.run());
    }
    crew
}

pub fn verify(job: &v1::VerifyJob) -> v1::VerifyResult {
    let verdicts = job.candidates.iter().map(|candidate| {
        let problem = job
            .problems
            .iter()
            .find(|problem| problem.problem == candidate.problem)
            .unwrap();
        let (visible, hidden): (Vec<_>, Vec<_>) =
            problem.cases.iter().partition(|case| case.visible);
        let (visible, hidden) = (visible.len() as u32, hidden.len() as u32);
        let right = candidate.text == CORRECT;
        v1::RolloutVerdict {
            problem: candidate.problem,
            sample: candidate.sample,
            verdict: if right { "passed" } else { "wrong_answer" }.to_owned(),
            visible_passed: visible,
            visible_total: visible,
            hidden_passed: if right { hidden } else { hidden - 1 },
            hidden_total: hidden,
            first_failure: (!right).then(|| v1::FirstFailure {
                case: visible,
                got: "1\0".to_owned(),
                expected: "2".to_owned(),
            }),
            error: String::new(),
            code: candidate.text.clone(),
            cpu_ms: 1.0,
            wall_ms: 2.0,
            peak_memory_kb: 1000,
        }
    });
    v1::VerifyResult {
        verdicts: verdicts.collect(),
        python: PYTHON.to_owned(),
    }
}
