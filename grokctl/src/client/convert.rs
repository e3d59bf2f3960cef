//! From generated types to the domain's records. A field that this version cannot read is an error
//! that names it.

use std::str::FromStr;

use groklab_domain::records::{
    ComparisonReport, EventLine, ExperimentRecord, ExperimentUpdate, Footprint, JsonLine, Parent,
    ProblemLine, Progress, RolloutFilter, RolloutLine, WorkerJob, WorkerRecord,
};
use groklab_proto::v1;
use serde::de::DeserializeOwned;
use tonic::Status;

use super::answers::{Evaluation, ExportPiece, Submitted};

pub fn experiment(wire: v1::Experiment) -> Result<ExperimentRecord, Status> {
    Ok(ExperimentRecord {
        experiment_id: field("experiment_id", &wire.experiment_id)?,
        name: wire.name,
        state: field("state", &wire.state)?,
        reason: wire.reason,
        iteration: wire.iteration,
        iterations: wire.iterations,
        created_unix_ms: wire.created_unix_ms,
        updated_unix_ms: wire.updated_unix_ms,
        base_commit: optional_field("base_commit", &wire.base_commit)?,
        python: optional_field("python", &wire.python)?,
        tags: wire.tags,
        parent: wire.parent.as_ref().map(parent).transpose()?,
        progress: all(wire.progress, progress)?,
        config_json: wire.config_json,
        iteration_began_unix_ms: wire.iteration_began_unix_ms,
        seconds_per_iteration: wire.seconds_per_iteration,
    })
}

fn parent(wire: &v1::Parent) -> Result<Parent, Status> {
    Ok(Parent {
        experiment_id: field("parent.experiment_id", &wire.experiment_id)?,
        iteration: wire.iteration,
        adapter: optional_field("parent.adapter_id", &wire.adapter_id)?,
    })
}

pub fn footprint(wire: v1::FootprintResponse) -> Result<(ExperimentRecord, Footprint), Status> {
    let footprint = Footprint {
        rollouts: wire.rollouts,
        jobs: wire.jobs,
        artifacts: wire.artifacts,
        artifact_bytes: wire.artifact_bytes,
    };
    let experiment = present("experiment", wire.experiment)?;
    Ok((self::experiment(experiment)?, footprint))
}

fn progress(wire: v1::Progress) -> Result<Progress, Status> {
    Ok(Progress {
        iteration: wire.iteration,
        kind: field("kind", &wire.kind)?,
        purpose: field("purpose", &wire.purpose)?,
        jobs_done: wire.jobs_done,
        jobs_total: wire.jobs_total,
        jobs_leased: wire.jobs_leased,
        units_done: wire.units_done,
        units_total: wire.units_total,
    })
}

pub fn experiments(wire: v1::ListResponse) -> Result<Vec<ExperimentRecord>, Status> {
    all(wire.experiments, experiment)
}

pub fn submitted(wire: v1::SubmitResponse) -> Result<Submitted, Status> {
    Ok(Submitted {
        experiment: experiment(present("experiment", wire.experiment)?)?,
        warnings: wire.warnings,
    })
}

pub fn update(wire: v1::WatchUpdate) -> Result<ExperimentUpdate, Status> {
    Ok(ExperimentUpdate {
        experiment: experiment(present("experiment", wire.experiment)?)?,
        events: all(wire.events, event)?,
        // Passed on as they are: their bytes are the same as in an export.
        metrics: lines(wire.metrics_json),
        iterations: lines(wire.iterations_json),
    })
}

pub fn event(wire: v1::Event) -> Result<EventLine, Status> {
    Ok(EventLine {
        event_id: wire.event_id,
        unix_ms: wire.unix_ms,
        level: field("level", &wire.level)?,
        message: wire.message,
        kind: wire.kind,
        fields: json("fields_json", &wire.fields_json)?,
    })
}

pub fn workers(wire: v1::ListWorkersResponse) -> Result<Vec<WorkerRecord>, Status> {
    all(wire.workers, worker)
}

fn worker(wire: v1::Worker) -> Result<WorkerRecord, Status> {
    let mut job = None;
    // An idle worker names none.
    if !wire.job_id.is_empty() {
        job = Some(WorkerJob {
            experiment_id: field("experiment_id", &wire.experiment_id)?,
            job_id: field("job_id", &wire.job_id)?,
            experiment: wire.experiment,
            iteration: wire.iteration,
            purpose: field("purpose", &wire.purpose)?,
            units_done: wire.units_done,
            units_total: wire.units_total,
            started_unix_ms: wire.started_unix_ms,
        });
    }
    Ok(WorkerRecord {
        worker_id: field("worker_id", &wire.worker_id)?,
        kind: field("kind", &wire.kind)?,
        host: wire.host,
        device: wire.device,
        threads: wire.threads,
        version: wire.version,
        seen_unix_ms: wire.seen_unix_ms,
        alive: wire.alive,
        job,
    })
}

pub fn rollouts_request(
    experiment: &str,
    filter: &RolloutFilter,
    limit: u32,
) -> v1::RolloutsRequest {
    v1::RolloutsRequest {
        experiment: experiment.to_owned(),
        iteration: filter.iteration,
        purpose: filter.purpose.as_ref().map(ToString::to_string),
        split: filter.split.as_ref().map(ToString::to_string),
        family: filter.family.clone(),
        verdict: filter.verdict.as_ref().map(ToString::to_string),
        limit,
        problem: filter.problem,
    }
}

pub fn rollout(wire: v1::RolloutRecord) -> Result<JsonLine<RolloutLine>, Status> {
    Ok(JsonLine::from_text(wire.json))
}

pub fn problem(wire: v1::ProblemRecord) -> Result<ProblemLine, Status> {
    json("json", &wire.json)
}

pub fn evaluation(evaluation: &Evaluation) -> v1::EvaluationRef {
    v1::EvaluationRef {
        experiment: evaluation.experiment.clone(),
        iteration: evaluation.iteration,
    }
}

pub fn comparison(wire: v1::CompareResponse) -> Result<ComparisonReport, Status> {
    json("json", &wire.json)
}

pub fn export_piece(wire: v1::ExportChunk) -> Result<ExportPiece, Status> {
    Ok(ExportPiece {
        path: wire.path,
        data: wire.data,
    })
}

pub fn lines<T>(texts: Vec<String>) -> Vec<JsonLine<T>> {
    texts.into_iter().map(JsonLine::from_text).collect()
}

fn all<Wire, Record>(
    wires: Vec<Wire>,
    convert: fn(Wire) -> Result<Record, Status>,
) -> Result<Vec<Record>, Status> {
    wires.into_iter().map(convert).collect()
}

/// Reads a field. It is not the caller's fault where that fails, as it would be in a request.
fn field<T: FromStr>(name: &str, text: &str) -> Result<T, Status>
where
    T::Err: std::fmt::Display,
{
    groklab_proto::convert::field(name, text)
        .map_err(|status| Status::internal(format!("in the answer, {}", status.message())))
}

/// Reads a field that may be empty.
fn optional_field<T: FromStr>(name: &str, text: &str) -> Result<Option<T>, Status>
where
    T::Err: std::fmt::Display,
{
    if text.is_empty() {
        return Ok(None);
    }
    field(name, text).map(Some)
}

fn json<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Status> {
    serde_json::from_str(text)
        .map_err(|error| Status::internal(format!("in the answer, field `{name}`: {error}")))
}

fn present<T>(name: &str, message: Option<T>) -> Result<T, Status> {
    message.ok_or_else(|| Status::internal(format!("the answer has no `{name}`")))
}
