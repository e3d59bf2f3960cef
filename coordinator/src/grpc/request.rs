//! What clients ask for, read out of messages. A field that does not parse is refused by its name.

use groklab_domain::{ExperimentState, Split, experiment::check_tag, records::RolloutFilter};
use groklab_proto::{
    convert::{field, optional_field},
    v1,
};
use tonic::Status;

use crate::{fork::ForkRequest, queries::Evaluation};

/// The largest number that a column of ordinals or iterations holds: a filter beyond it finds
/// nothing, as it should.
const MAX_ORDINAL: u32 = i32::MAX.cast_unsigned();

pub fn state(request: &v1::ListRequest) -> Result<Option<ExperimentState>, Status> {
    optional_field("state", &request.state)
}

/// The tags that are asked for.
pub fn tags(request: &v1::ListRequest) -> Result<&[String], Status> {
    for tag in &request.tags {
        check_tag(tag).map_err(|invalid| Status::invalid_argument(invalid.to_string()))?;
    }
    Ok(&request.tags)
}

pub fn fork(request: v1::ForkRequest) -> ForkRequest {
    ForkRequest {
        key: request.idempotency_key,
        parent: request.experiment,
        iteration: request.iteration,
        config_json: request.config_json,
    }
}

pub fn filter(request: &v1::RolloutsRequest) -> Result<RolloutFilter, Status> {
    let family = request.family.clone();
    // Postgres' text cannot hold it, so no family does.
    if family.as_ref().is_some_and(|family| family.contains('\0')) {
        return Err(Status::invalid_argument("field `family` holds NUL"));
    }
    Ok(RolloutFilter {
        iteration: at_most(MAX_ORDINAL, request.iteration),
        purpose: optional_field("purpose", request.purpose())?,
        split: optional_field("split", request.split())?,
        family,
        problem: at_most(MAX_ORDINAL, request.problem),
        verdict: optional_field("verdict", request.verdict())?,
    })
}

fn at_most(limit: u32, number: Option<u32>) -> Option<u32> {
    Some(number?.min(limit))
}

/// How many rollouts are wanted; 0 means all.
pub fn limit(request: &v1::RolloutsRequest) -> usize {
    match request.limit {
        0 => usize::MAX,
        limit => limit as usize,
    }
}

/// The evaluations before and after, and the split.
pub fn comparison(request: v1::CompareRequest) -> Result<(Evaluation, Evaluation, Split), Status> {
    let split = field("split", &request.split)?;
    let before = evaluation("before", request.before)?;
    Ok((before, evaluation("after", request.after)?, split))
}

fn evaluation(name: &str, wire: Option<v1::EvaluationRef>) -> Result<Evaluation, Status> {
    let Some(wire) = wire else {
        return Err(Status::invalid_argument(format!("no field `{name}`")));
    };
    Ok(Evaluation {
        experiment: wire.experiment,
        iteration: wire.iteration,
    })
}
