//! Malformed and hostile messages to every call: each gets an error, and the database is afterwards
//! what it was before.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use groklab_proto::v1;
use prost::Message as _;
use tonic::{
    Code, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::{
    harness::{Coordinator, SHORT_FILE},
    worker::Worker,
};

const CALLS: [&str; 22] = [
    "Experiments/Submit",
    "Experiments/Get",
    "Experiments/List",
    "Experiments/Cancel",
    "Experiments/Pause",
    "Experiments/Resume",
    "Experiments/Watch",
    "Experiments/Events",
    "Experiments/Metrics",
    "Experiments/Problems",
    "Experiments/Rollouts",
    "Experiments/Compare",
    "Experiments/Export",
    "Experiments/ListWorkers",
    "Workers/Register",
    "Workers/Lease",
    "Workers/Heartbeat",
    "Workers/Complete",
    "Workers/Fail",
    "Workers/Leave",
    "Artifacts/Put",
    "Artifacts/Get",
];

/// Sends and takes messages as the bytes they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// The first answer to a message of these bytes, or the error. A call that waits for work or for changes is left after a moment.
async fn send(channel: &Channel, call: &str, bytes: Bytes) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = format!("/groklab.v1.{call}").parse().unwrap();
    let messages = tonic::Request::new(tokio_stream::iter([bytes]));
    let answer = async {
        grpc.streaming(messages, path, Raw)
            .await?
            .into_inner()
            .message()
            .await
            .map(drop)
    };
    let waits = matches!(call, "Workers/Lease" | "Experiments/Watch");
    let outcome =
        tokio::time::timeout(Duration::from_secs(if waits { 1 } else { 60 }), answer).await;
    outcome.unwrap_or_else(|_| {
        if waits {
            Ok(())
        } else {
            panic!("{call} hangs")
        }
    })
}

/// A number stream that is the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn bytes(&mut self) -> Bytes {
        let length = self.next() % 200;
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Texts that break careless programs, in every place where a text is expected.
fn texts() -> Vec<String> {
    let long = "a".repeat(2 << 20);
    let fixed = [
        "",
        "\0",
        "a\0b",
        "' or 1=1; drop table job; --",
        "../../../etc/passwd",
        "%",
        "_",
        "\u{202e}\u{0}",
        "-1",
        "sha256:",
        "🦀",
    ];
    fixed
        .iter()
        .map(ToString::to_string)
        .chain([
            long,
            "🦀".repeat(10_000),
            "[".repeat(100_000),
            format!("sha256:{}", "g".repeat(64)),
        ])
        .collect()
}

/// Every message with a text of `text` in every field of text, as the call that takes it.
fn hostile(text: &str, worker: &str, job: &str) -> Vec<(&'static str, Vec<u8>)> {
    let t = || text.to_owned();
    // Results under a claim that is no longer current; what a current claim may not say is in the tests of leases.
    let claim = |result| v1::CompleteRequest {
        worker_id: worker.to_owned(),
        job_id: job.to_owned(),
        fence: 999,
        seconds: 1.0,
        result,
    };
    let not_a_time = v1::CompleteRequest {
        fence: 1,
        seconds: f64::NAN,
        ..claim(None)
    };
    let rollout = v1::Rollout {
        problem: u32::MAX,
        sample: u32::MAX,
        finish: t(),
        text: text.into(),
        ..Default::default()
    };
    let generated = v1::GenerateResult {
        base_digest: t(),
        adapter_id: t(),
        rollouts: vec![rollout; 3],
        base_commit: t(),
    };
    let verdict = v1::RolloutVerdict {
        verdict: t(),
        visible_passed: 9,
        hidden_total: u32::MAX,
        ..Default::default()
    };
    let verified = v1::VerifyResult {
        verdicts: vec![verdict],
        python: t(),
    };
    let trained = v1::TrainResult {
        base_digest: t(),
        adapter: Some(v1::Adapter {
            id: t(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let held = v1::Held {
        job_id: t(),
        fence: i64::MIN,
        units_done: u64::MAX,
        units_total: u64::MAX,
    };
    let named = v1::ExperimentRef { experiment: t() }.encode_to_vec();
    let mut all: Vec<_> = CALLS[3..10]
        .iter()
        .map(|call| (*call, named.clone()))
        .collect();
    all.extend([
        (
            "Experiments/Submit",
            v1::SubmitRequest {
                idempotency_key: t(),
                config_json: t(),
            }
            .encode_to_vec(),
        ),
        (
            "Experiments/Rollouts",
            v1::RolloutsRequest {
                experiment: t(),
                verdict: Some(t()),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "Experiments/Compare",
            v1::CompareRequest {
                before: Some(v1::EvaluationRef {
                    experiment: t(),
                    iteration: Some(u32::MAX),
                }),
                after: None,
                split: t(),
            }
            .encode_to_vec(),
        ),
        (
            "Experiments/List",
            v1::ListRequest {
                tags: Vec::new(),
                state: format!("x{text}"),
            }
            .encode_to_vec(),
        ),
        (
            "Workers/Register",
            v1::RegisterRequest {
                worker_id: t(),
                kind: t(),
                host: t(),
                python: t(),
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "Workers/Lease",
            v1::LeaseRequest {
                worker_id: t(),
                kind: t(),
                capacity: u32::MAX,
                held: vec![held.clone()],
            }
            .encode_to_vec(),
        ),
        (
            "Workers/Heartbeat",
            v1::HeartbeatRequest {
                worker_id: worker.to_owned(),
                held: vec![held; 100],
            }
            .encode_to_vec(),
        ),
        (
            "Workers/Complete",
            claim(Some(v1::complete_request::Result::Generate(generated))).encode_to_vec(),
        ),
        (
            "Workers/Complete",
            claim(Some(v1::complete_request::Result::Verify(verified))).encode_to_vec(),
        ),
        (
            "Workers/Complete",
            claim(Some(v1::complete_request::Result::Train(trained))).encode_to_vec(),
        ),
        ("Workers/Complete", claim(None).encode_to_vec()),
        ("Workers/Complete", not_a_time.encode_to_vec()),
        (
            "Workers/Fail",
            v1::FailRequest {
                worker_id: t(),
                job_id: t(),
                fence: -1,
                ..Default::default()
            }
            .encode_to_vec(),
        ),
        (
            "Workers/Leave",
            v1::LeaveRequest { worker_id: t() }.encode_to_vec(),
        ),
        (
            "Artifacts/Put",
            v1::ArtifactChunk {
                digest: t(),
                data: vec![1; 100],
            }
            .encode_to_vec(),
        ),
        (
            "Artifacts/Get",
            v1::GetArtifactRequest { digest: t() }.encode_to_vec(),
        ),
    ]);
    all
}

/// A line per table: everything in it but signs of life.
async fn stored(coordinator: &Coordinator) -> Vec<String> {
    let mut found = Vec::new();
    for table in [
        "experiment",
        "problem",
        "problem_case",
        "iteration",
        "job",
        "attempt",
        "rollout",
        "verdict",
        "adapter",
        "artifact",
        "event",
    ] {
        found.push(format!("{table} {}", coordinator.digest(table).await));
    }
    found
}

#[tokio::test]
async fn whatever_is_sent_gets_an_error_and_changes_nothing() {
    let coordinator = Coordinator::with(3600, 3).await;
    let id = coordinator.submit(SHORT_FILE).await;
    let mut worker = Worker::register(&coordinator, "generate").await;
    let job = worker.lease().await;
    coordinator
        .execute(
            "update experiment set state = 'paused', reason = 'so that nothing changes by itself'",
        )
        .await;
    let before = stored(&coordinator).await;

    let channel = coordinator.channel();
    let mut random = Random(1);
    let mut refused = 0;
    for call in CALLS {
        for _ in 0..100 {
            if let Err(status) = send(&channel, call, random.bytes()).await {
                assert!(
                    !matches!(status.code(), Code::Unavailable | Code::Unknown),
                    "{call}: {status:?}"
                );
                refused += 1;
            }
        }
    }
    assert!(
        refused > 1_000,
        "most random bytes are no message: {refused}"
    );
    for text in texts() {
        for (call, message) in hostile(&text, &worker.id, &job.job_id) {
            let shown: String = text.chars().take(20).collect();
            match send(&channel, call, message.into()).await {
                // A stale claim is no error: its worker is told that the job has moved on.
                Ok(()) => assert_eq!(call, "Workers/Complete", "took `{shown}`"),
                Err(status) => {
                    let expected = [
                        Code::InvalidArgument,
                        Code::NotFound,
                        Code::FailedPrecondition,
                        Code::OutOfRange,
                    ];
                    assert!(
                        expected.contains(&status.code()),
                        "{call} with `{shown}`: {status:?}"
                    );
                    assert!(
                        status.message().len() < 4_100,
                        "{call} with `{shown}` answers with {} bytes",
                        status.message().len()
                    );
                }
            }
        }
    }
    assert_eq!(stored(&coordinator).await, before);
    assert_eq!(
        coordinator.get(&id).await.state,
        "paused",
        "it serves as before"
    );
    coordinator.stop().await;
}
