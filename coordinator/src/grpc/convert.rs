//! Records as the messages they are sent in.

use groklab_domain::records::{
    ComparisonReport, EventLine, ExperimentRecord, ExperimentUpdate, Footprint, JsonLine, Parent,
    ProblemLine, Progress, RolloutLine, WorkerRecord,
};
use groklab_proto::v1;
use serde::Serialize;

use crate::{
    error::{Error, Result},
    queries::{FilePiece, MetricsPage},
};

pub fn experiment(record: ExperimentRecord) -> v1::Experiment {
    v1::Experiment {
        experiment_id: record.experiment_id.to_string(),
        name: record.name,
        state: record.state.to_string(),
        reason: record.reason,
        iteration: record.iteration,
        iterations: record.iterations,
        created_unix_ms: record.created_unix_ms,
        updated_unix_ms: record.updated_unix_ms,
        base_commit: record
            .base_commit
            .map_or_else(String::new, |commit| commit.to_string()),
        python: record
            .python
            .map_or_else(String::new, |python| python.to_string()),
        progress: record.progress.into_iter().map(progress).collect(),
        config_json: record.config_json,
        iteration_began_unix_ms: record.iteration_began_unix_ms,
        seconds_per_iteration: record.seconds_per_iteration,
        tags: record.tags,
        parent: record.parent.map(parent),
    }
}

fn parent(record: Parent) -> v1::Parent {
    v1::Parent {
        experiment_id: record.experiment_id.to_string(),
        iteration: record.iteration,
        adapter_id: record.adapter.map_or_else(String::new, |id| id.to_string()),
    }
}

pub fn footprint(experiment: v1::Experiment, record: Footprint) -> v1::FootprintResponse {
    v1::FootprintResponse {
        experiment: Some(experiment),
        rollouts: record.rollouts,
        jobs: record.jobs,
        artifacts: record.artifacts,
        artifact_bytes: record.artifact_bytes,
    }
}

fn progress(record: Progress) -> v1::Progress {
    v1::Progress {
        iteration: record.iteration,
        kind: record.kind.to_string(),
        purpose: record.purpose.to_string(),
        jobs_done: record.jobs_done,
        jobs_total: record.jobs_total,
        jobs_leased: record.jobs_leased,
        units_done: record.units_done,
        units_total: record.units_total,
    }
}

pub fn update(update: ExperimentUpdate) -> v1::WatchUpdate {
    v1::WatchUpdate {
        // Sent whole each time: it is small, and a client needs no earlier update.
        experiment: Some(experiment(update.experiment)),
        events: update.events.into_iter().map(event).collect(),
        metrics_json: texts(update.metrics),
        iterations_json: texts(update.iterations),
    }
}

pub fn event(line: EventLine) -> v1::Event {
    v1::Event {
        event_id: line.event_id,
        unix_ms: line.unix_ms,
        level: line.level.to_string(),
        message: line.message,
        kind: line.kind,
        fields_json: line.fields.to_string(),
    }
}

pub fn metrics_page(page: MetricsPage) -> v1::MetricsResponse {
    v1::MetricsResponse {
        metrics_json: texts(page.metrics),
        iterations_json: texts(page.iterations),
        next: page.next,
    }
}

fn texts<T>(lines: Vec<JsonLine<T>>) -> Vec<String> {
    lines.into_iter().map(JsonLine::into_text).collect()
}

pub fn problem(line: ProblemLine) -> Result<v1::ProblemRecord> {
    let json = json(&line)?;
    Ok(v1::ProblemRecord { json })
}

pub fn rollout(line: RolloutLine) -> Result<v1::RolloutRecord> {
    let json = json(&line)?;
    Ok(v1::RolloutRecord { json })
}

pub fn comparison(report: &ComparisonReport) -> Result<v1::CompareResponse> {
    let json = json(report)?;
    Ok(v1::CompareResponse { json })
}

fn json<T: Serialize>(record: &T) -> Result<String> {
    serde_json::to_string(record).map_err(|error| Error::internal("write a record", error))
}

pub fn export_chunk(piece: FilePiece) -> v1::ExportChunk {
    v1::ExportChunk {
        path: piece.path,
        data: piece.data,
    }
}

pub fn worker(record: WorkerRecord) -> v1::Worker {
    let mut worker = v1::Worker {
        worker_id: record.worker_id.to_string(),
        kind: record.kind.to_string(),
        host: record.host,
        device: record.device,
        threads: record.threads,
        version: record.version,
        seen_unix_ms: record.seen_unix_ms,
        alive: record.alive,
        ..v1::Worker::default()
    };
    // The fields of an idle worker's job stay empty, which is how a client tells.
    if let Some(job) = record.job {
        worker.experiment_id = job.experiment_id.to_string();
        worker.job_id = job.job_id.to_string();
        worker.experiment = job.experiment;
        worker.iteration = job.iteration;
        worker.purpose = job.purpose.to_string();
        worker.units_done = job.units_done;
        worker.units_total = job.units_total;
        worker.started_unix_ms = job.started_unix_ms;
    }
    worker
}
