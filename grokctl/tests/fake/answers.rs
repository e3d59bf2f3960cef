//! What the fake coordinator knows. Times lie so far back that "ago" is always as long.

use std::{fs, path::PathBuf};

use groklab_domain::{
    JobKind, Purpose, Split,
    metrics::{BySplit, Count},
    records::{Event, EventLine, JobLabel},
};
use groklab_proto::v1;

const FINISHED_ID: &str = "0198c0de-0000-7000-8000-000000000001";
const PAUSED_ID: &str = "0198c0de-0000-7000-8000-000000000002";
/// 2023-11-14 22:13:20.
const BEGAN_UNIX_MS: i64 = 1_700_000_000_000;

fn fixture(file: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/pages/fixtures/quick");
    fs::read_to_string(folder.join(file)).unwrap()
}

fn fixture_lines(file: &str) -> Vec<String> {
    fixture(file).lines().map(str::to_owned).collect()
}

pub fn metrics() -> Vec<String> {
    fixture_lines("metrics.jsonl")
}

pub fn iterations() -> Vec<String> {
    fixture_lines("iterations.jsonl")
}

pub fn rollouts() -> Vec<String> {
    fixture_lines("rollouts.jsonl")
}

pub fn problems() -> Vec<String> {
    fixture_lines("test.jsonl")
}

fn config_json() -> String {
    let text = "name = \"quick\"\n[model]\nsource = \"/models/tiny.gguf\"\n";
    serde_json::to_string(&groklab_domain::experiment::parse(text).unwrap()).unwrap()
}

pub fn finished() -> v1::Experiment {
    v1::Experiment {
        experiment_id: FINISHED_ID.to_owned(),
        name: "quick".to_owned(),
        state: "completed".to_owned(),
        iteration: 3,
        iterations: 3,
        created_unix_ms: BEGAN_UNIX_MS,
        updated_unix_ms: BEGAN_UNIX_MS + 600_000,
        python: "3.11".to_owned(),
        tags: vec!["paper".to_owned()],
        config_json: config_json(),
        ..v1::Experiment::default()
    }
}

pub fn experiments() -> Vec<v1::Experiment> {
    let reason =
        "generate job of iteration 0 (eval, chunk 0) failed 3 times; the last time: no room";
    let paused = v1::Experiment {
        experiment_id: PAUSED_ID.to_owned(),
        name: "halted".to_owned(),
        state: "paused".to_owned(),
        reason: reason.to_owned(),
        iteration: 0,
        tags: Vec::new(),
        created_unix_ms: BEGAN_UNIX_MS + 86_400_000,
        progress: progress(48),
        ..finished()
    };
    vec![finished(), paused]
}

/// A fork of `parent`.
pub fn forked(parent: v1::Experiment, iteration: Option<u32>) -> v1::Experiment {
    let adapter_id = format!("sha256:{}", "1f".repeat(32));
    v1::Experiment {
        experiment_id: "0198c0de-0000-7000-8000-000000000003".to_owned(),
        name: format!("{}-fork", parent.name),
        state: "queued".to_owned(),
        iteration: 0,
        parent: Some(v1::Parent {
            experiment_id: parent.experiment_id,
            iteration: iteration.unwrap_or(3),
            adapter_id,
        }),
        ..finished()
    }
}

/// One evaluation under way.
fn progress(units_done: u64) -> Vec<v1::Progress> {
    let generate = v1::Progress {
        iteration: 0,
        kind: "generate".to_owned(),
        purpose: "eval".to_owned(),
        jobs_done: 1,
        jobs_total: 3,
        jobs_leased: 1,
        units_done,
        units_total: 144,
    };
    let verify = v1::Progress {
        kind: "verify".to_owned(),
        jobs_done: 0,
        units_done: 0,
        ..generate.clone()
    };
    vec![generate, verify]
}

pub fn events() -> Vec<v1::Event> {
    let job = JobLabel {
        job: JobKind::Verify,
        iteration: 0,
        purpose: Purpose::Eval,
        chunk: 1,
    };
    let reason = "its sandbox said \u{1b}[31mno\nand nothing else".to_owned();
    let count = |correct| Count { total: 64, correct };
    let greedy = BySplit::from([(Split::Test, count(12))]);
    let events = [
        Event::Submitted { problems: 144 },
        Event::Started,
        Event::JobReturned { job, reason },
        Event::Evaluated {
            iteration: 0,
            greedy,
        },
        Event::Completed {
            stopped_early: None,
        },
    ];
    let mut wire = Vec::new();
    for (number, event) in (1..).zip(&events) {
        let line = EventLine::new(number, BEGAN_UNIX_MS + 60_000 * number, event);
        wire.push(v1::Event {
            event_id: line.event_id,
            unix_ms: line.unix_ms,
            level: line.level.to_string(),
            message: line.message,
            kind: line.kind,
            fields_json: line.fields.to_string(),
        });
    }
    wire
}

/// A whole run, in three steps.
pub fn updates() -> Vec<v1::WatchUpdate> {
    let running = |units_done| v1::Experiment {
        state: "running".to_owned(),
        iteration: 0,
        progress: progress(units_done),
        ..finished()
    };
    let mut early = events();
    let late = early.split_off(3);
    vec![
        v1::WatchUpdate {
            experiment: Some(running(48)),
            events: early,
            ..v1::WatchUpdate::default()
        },
        v1::WatchUpdate {
            // As far as before: what is said of progress would depend on the time in between.
            experiment: Some(running(48)),
            events: late,
            metrics_json: metrics(),
            iterations_json: iterations(),
        },
        v1::WatchUpdate {
            experiment: Some(finished()),
            // Sent again, as by a coordinator that came back.
            metrics_json: metrics(),
            ..v1::WatchUpdate::default()
        },
    ]
}

pub fn export() -> Vec<v1::ExportChunk> {
    let chunk = |path: &str, text: &str| v1::ExportChunk {
        path: path.to_owned(),
        data: text.as_bytes().to_vec(),
    };
    let mut chunks = vec![chunk("config.json", &config_json())];
    for file in ["metrics.jsonl", "iterations.jsonl", "test.jsonl"] {
        chunks.push(chunk(file, &fixture(file)));
    }
    // In pieces, as a file that is larger than a message.
    for line in rollouts() {
        chunks.push(chunk("rollouts.jsonl", &format!("{line}\n")));
    }
    chunks
}

pub fn workers() -> Vec<v1::Worker> {
    let worker = |number, kind: &str| v1::Worker {
        worker_id: format!("0198c0de-0000-7000-8000-0000000000{number}"),
        kind: kind.to_owned(),
        host: "box".to_owned(),
        device: "cpu".to_owned(),
        threads: 2,
        version: "0.1.0".to_owned(),
        seen_unix_ms: BEGAN_UNIX_MS,
        alive: true,
        ..v1::Worker::default()
    };
    let busy = v1::Worker {
        experiment_id: PAUSED_ID.to_owned(),
        job_id: "0198c0de-0000-7000-8000-000000000099".to_owned(),
        experiment: "halted".to_owned(),
        iteration: 0,
        purpose: "eval".to_owned(),
        units_done: 48,
        units_total: 144,
        started_unix_ms: BEGAN_UNIX_MS,
        ..worker(10, "generate")
    };
    let gone = v1::Worker {
        alive: false,
        ..worker(11, "train")
    };
    vec![gone, worker(12, "verify"), busy]
}
