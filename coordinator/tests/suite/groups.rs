//! Calls that are served in one transaction: each gets its own answer, and what one sends never
//! changes what another gets.

use std::{sync::Arc, time::Duration};

use groklab_domain::{Digest, WorkerId};
use groklab_proto::v1::{self, complete_request::Result as Outcome};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::{
    harness::{Coordinator, eventually},
    worker::{Worker, crew},
};

/// Twelve greedy rollouts, a job each.
const FILE: &str = r#"
name = "many-jobs"
iterations = 0
[model]
source = "m.gguf"
[problems]
families = ["digits/digits=all"]
holdout = "case"
difficulty = [2, 2]
train = 11
val = 0
test = 1
[generate]
rollouts_per_job = 1
[evaluate]
samples = 0
"#;

/// Holds the table of jobs, so that whatever needs it waits.
struct Gate(PgConnection);

impl Gate {
    async fn shut(coordinator: &Coordinator) -> Self {
        let mut connection = PgConnection::connect(&coordinator.database_url)
            .await
            .unwrap();
        sqlx::raw_sql("begin; lock table job in exclusive mode")
            .execute(&mut connection)
            .await
            .unwrap();
        Self(connection)
    }

    /// Waits until so many transactions wait for it.
    async fn waiting(coordinator: &Coordinator, transactions: i64) {
        let query =
            "select count(*) from pg_locks where relation = 'job'::regclass and not granted";
        eventually("transactions at the gate", async || {
            (coordinator.count(query).await == transactions).then_some(())
        })
        .await;
    }

    async fn open(mut self) {
        sqlx::raw_sql("commit").execute(&mut self.0).await.unwrap();
    }
}

type Completed = JoinHandle<Result<bool, Status>>;

fn complete(worker: &Arc<Worker>, job: &v1::Job, result: Outcome) -> Completed {
    let (worker, job) = (worker.clone(), job.clone());
    tokio::spawn(async move { worker.again().complete(&job, result).await })
}

#[tokio::test]
async fn each_of_many_completions_gets_its_own_answer() {
    let coordinator = Coordinator::start().await;
    let id = coordinator.submit(FILE).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut worker = Worker::register(&coordinator, "generate").await;
        let job = worker.lease().await;
        let result = worker.work(&job).await;
        held.push((Arc::new(worker), job, result));
    }
    // The base model is fixed: otherwise one lane would wait for the other and not at the gate.
    let (worker, job, result) = &held[0];
    assert!(
        complete(worker, job, result.clone())
            .await
            .unwrap()
            .unwrap()
    );
    let gate = Gate::shut(&coordinator).await;
    // One after the other for each of the two lanes; what comes after them waits for both.
    let mut first = Vec::new();
    for (worker, job, result) in &held[1..3] {
        first.push(complete(worker, job, result.clone()));
        Gate::waiting(&coordinator, first.len() as i64).await;
    }

    let good: Vec<Completed> = held[3..5]
        .iter()
        .map(|(worker, job, result)| complete(worker, job, result.clone()))
        .collect();
    let (worker, job, result) = &held[5];
    let twice = [
        complete(worker, job, result.clone()),
        complete(worker, job, result.clone()),
    ];
    let (worker, job, result) = &held[6];
    let other_base = match result.clone() {
        Outcome::Generate(result) => Outcome::Generate(v1::GenerateResult {
            base_digest: Digest::of(b"other").to_string(),
            ..result
        }),
        _ => unreachable!("a generate job"),
    };
    let refused = complete(worker, job, other_base);
    let (worker, job, result) = &held[7];
    let stale = complete(
        worker,
        &v1::Job {
            fence: job.fence - 1,
            ..job.clone()
        },
        result.clone(),
    );
    let unknown = complete(
        worker,
        &v1::Job {
            job_id: uuid::Uuid::new_v4().to_string(),
            ..job.clone()
        },
        result.clone(),
    );
    // Calls behind these on their connection have been answered: these have arrived.
    for _ in 0..20 {
        coordinator.get(&id).await;
    }
    gate.open().await;

    for completed in first.into_iter().chain(good).chain(twice) {
        assert!(completed.await.unwrap().unwrap());
    }
    let error = refused.await.unwrap().unwrap_err();
    assert!(
        error.code() == Code::FailedPrecondition
            && error.message().contains("made with base model"),
        "{error:?}"
    );
    assert!(!stale.await.unwrap().unwrap());
    assert_eq!(unknown.await.unwrap().unwrap_err().code(), Code::NotFound);
    assert_eq!(coordinator.count("select count(*) from rollout").await, 6);
    assert_eq!(
        coordinator
            .count("select count(*) from job where kind = 'verify'")
            .await,
        6
    );
    assert_eq!(
        coordinator
            .count("select count(*) from attempt where outcome = 'done'")
            .await,
        6
    );
    assert_eq!(
        coordinator
            .count(
                "select count(*) from attempt where outcome = 'failed'
                 and reason like 'results refused: made with%'"
            )
            .await,
        1
    );
    assert_eq!(
        coordinator
            .count("select count(distinct base_digest) from experiment")
            .await,
        1
    );
    // `now()` is a transaction's: without groups every job would have its own.
    let transactions = coordinator
        .count("select count(distinct finished_at) from job where state = 'done'")
        .await;
    assert!(transactions < 6, "{transactions} transactions for six jobs");

    let (worker, job, result) = held.pop().unwrap();
    assert!(
        complete(&worker, &job, result).await.unwrap().unwrap(),
        "its own claim stands"
    );
    let _crew = crew(&coordinator).await;
    coordinator.until(&id, "completed").await;
    coordinator.stop().await;
}

#[tokio::test]
async fn each_of_many_leases_gets_jobs_of_its_own() {
    let coordinator = Coordinator::start().await;
    coordinator.submit(FILE).await;
    eventually("the jobs", async || {
        (coordinator.count("select count(*) from job").await == 12).then_some(())
    })
    .await;
    let mut workers = Vec::new();
    for _ in 0..6 {
        workers.push(Worker::register(&coordinator, "generate").await);
    }
    let verifier = Worker::register(&coordinator, "verify").await;
    let ask = |id: &str, capacity: u32| {
        let mut client = coordinator.workers();
        let request = v1::LeaseRequest {
            worker_id: id.to_owned(),
            kind: "generate".to_owned(),
            capacity,
            held: vec![],
        };
        tokio::spawn(async move {
            client
                .lease(request)
                .await
                .map(|answer| answer.into_inner().jobs)
        })
    };
    let gate = Gate::shut(&coordinator).await;
    let first = ask(&workers[0].id, 1);
    Gate::waiting(&coordinator, 1).await;
    let capacities = [1, 2, 3, 1, 20];
    let calls: Vec<_> = workers[1..]
        .iter()
        .zip(capacities)
        .map(|(worker, capacity)| ask(&worker.id, capacity))
        .collect();
    let (unknown, other_kind) = (ask(&WorkerId::new().to_string(), 1), ask(&verifier.id, 1));
    for _ in 0..20 {
        coordinator
            .experiments()
            .list(v1::ListRequest::default())
            .await
            .unwrap();
    }
    gate.open().await;

    assert_eq!(first.await.unwrap().unwrap().len(), 1);
    let mut leased = Vec::new();
    for (call, worker) in calls.into_iter().zip(&workers[1..]) {
        let jobs = tokio::time::timeout(Duration::from_secs(10), call)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        leased.push(jobs.len());
        let mut client = coordinator.workers();
        let held = jobs.iter().map(|job| v1::Held {
            job_id: job.job_id.clone(),
            fence: job.fence,
            units_done: 0,
            units_total: 0,
        });
        let beat = v1::HeartbeatRequest {
            worker_id: worker.id.clone(),
            held: held.collect(),
        };
        assert!(
            client
                .heartbeat(beat)
                .await
                .unwrap()
                .into_inner()
                .dropped
                .is_empty(),
            "these are this worker's"
        );
    }
    assert_eq!(
        leased,
        [1, 2, 3, 1, 4],
        "eleven were left, and each had one before any had two"
    );
    assert_eq!(unknown.await.unwrap().unwrap_err().code(), Code::NotFound);
    assert_eq!(
        other_kind.await.unwrap().unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(
        coordinator
            .count("select count(distinct job_id) from attempt")
            .await,
        12
    );
    assert_eq!(coordinator.count("select count(*) from attempt").await, 12);
    coordinator.stop().await;
}
