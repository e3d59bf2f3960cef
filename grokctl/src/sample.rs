//! Records as the tests of this crate use them; the lines are those of the pages' fixture.

use groklab_domain::{
    ExperimentId, ExperimentState, JobId, JobKind, Purpose, WorkerId,
    metrics::{IterationLine, MetricsLine},
    records::{
        Event, EventLine, ExperimentRecord, ExperimentUpdate, JobLabel, RolloutLine, WorkerJob,
        WorkerRecord,
    },
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

const METRICS: &str = include_str!("../../crates/pages/fixtures/quick/metrics.jsonl");
const ITERATIONS: &str = include_str!("../../crates/pages/fixtures/quick/iterations.jsonl");
const ROLLOUTS: &str = include_str!("../../crates/pages/fixtures/quick/rollouts.jsonl");

fn lines<T: DeserializeOwned>(text: &str) -> Vec<T> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("the fixture is of this version"))
        .collect()
}

/// Iterations 0 and 3; the last: 41 of 64 greedy on test, pass@1 58.2 %, 48 of 48 on train.
pub fn metrics() -> Vec<MetricsLine> {
    lines(METRICS)
}

/// Iterations 0 and 1.
pub fn iterations() -> Vec<IterationLine> {
    lines(ITERATIONS)
}

pub fn rollouts() -> Vec<RolloutLine> {
    lines(ROLLOUTS)
}

pub fn experiment(name: &str) -> ExperimentRecord {
    ExperimentRecord {
        experiment_id: ExperimentId(Uuid::from_u128(1)),
        name: name.to_owned(),
        state: ExperimentState::Running,
        reason: String::new(),
        iteration: 1,
        iterations: 3,
        created_unix_ms: 0,
        updated_unix_ms: 0,
        base_commit: None,
        python: None,
        tags: Vec::new(),
        parent: None,
        progress: Vec::new(),
        config_json: "{}".to_owned(),
        iteration_began_unix_ms: 0,
        seconds_per_iteration: 0.0,
    }
}

pub fn update(experiment: ExperimentRecord) -> ExperimentUpdate {
    ExperimentUpdate {
        experiment,
        events: Vec::new(),
        metrics: Vec::new(),
        iterations: Vec::new(),
    }
}

/// A warning, at the beginning of 1970.
pub fn event(id: i64) -> EventLine {
    let event = Event::JobReturned {
        job: JobLabel {
            job: JobKind::Verify,
            iteration: 0,
            purpose: Purpose::Eval,
            chunk: 3,
        },
        reason: "lost".to_owned(),
    };
    EventLine::new(id, 0, &event)
}

/// An idle worker.
pub fn worker(number: u128, kind: JobKind) -> WorkerRecord {
    WorkerRecord {
        worker_id: WorkerId(Uuid::from_u128(number)),
        kind,
        host: "box".to_owned(),
        device: "cpu".to_owned(),
        threads: 2,
        version: "0.1.0".to_owned(),
        seen_unix_ms: 50_000,
        alive: true,
        job: None,
    }
}

pub fn worker_job() -> WorkerJob {
    WorkerJob {
        experiment_id: ExperimentId(Uuid::from_u128(1)),
        job_id: JobId(Uuid::from_u128(2)),
        experiment: "quick".to_owned(),
        iteration: 1,
        purpose: Purpose::Eval,
        units_done: 40,
        units_total: 128,
        started_unix_ms: 40_000,
    }
}
