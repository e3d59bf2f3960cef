//! Parsing what came over the wire: a field that does not parse becomes `invalid_argument` that
//! names it.

use std::fmt::Display;

use groklab_domain::{
    Fence, Tally, Value, Verification,
    candidate::Candidate,
    experiment::Chat,
    job::{AdapterRef, Claim},
    text::shortened,
};
use serde::de::DeserializeOwned;
use tonic::Status;

use crate::v1;

/// How much of a refused field, and of the reason, an answer repeats.
const MAX_SHOWN_CHARS: usize = 200;

/// Parses `text` as the field `name`; the error names the field and its value.
pub fn field<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Status>
where
    T::Err: Display,
{
    match text.parse() {
        Ok(value) => Ok(value),
        Err(error) => {
            let shown = shortened(text, MAX_SHOWN_CHARS);
            Err(refused(&format!("`{name}` = `{shown}`"), &error))
        }
    }
}

/// Reads a field that is JSON.
fn json_field<T: DeserializeOwned>(name: &str, json: &str) -> Result<T, Status> {
    serde_json::from_str(json).map_err(|error| refused(&format!("`{name}`"), &error))
}

fn refused(field: &str, reason: &impl Display) -> Status {
    let reason = shortened(&reason.to_string(), MAX_SHOWN_CHARS);
    Status::invalid_argument(format!("field {field}: {reason}"))
}

/// Like [`field`], where an empty text means absent.
pub fn optional_field<T: std::str::FromStr>(name: &str, text: &str) -> Result<Option<T>, Status>
where
    T::Err: Display,
{
    if text.is_empty() {
        Ok(None)
    } else {
        field(name, text).map(Some)
    }
}

/// An adapter as jobs and results name it.
pub fn adapter(wire: &v1::Adapter) -> Result<AdapterRef, Status> {
    Ok(AdapterRef {
        id: field("adapter.id", &wire.id)?,
        config: field("adapter.config_digest", &wire.config_digest)?,
        weights: field("adapter.weights_digest", &wire.weights_digest)?,
    })
}

impl From<AdapterRef> for v1::Adapter {
    fn from(adapter: AdapterRef) -> Self {
        Self {
            id: adapter.id.to_string(),
            config_digest: adapter.config.to_string(),
            weights_digest: adapter.weights.to_string(),
        }
    }
}

/// One worker's claim on one job.
pub fn claim(worker_id: &str, job_id: &str, fence: i64) -> Result<Claim, Status> {
    Ok(Claim {
        worker: field("worker_id", worker_id)?,
        job: field("job_id", job_id)?,
        fence: Fence(fence),
    })
}

/// The part of a completion of `length` bytes that is its code.
pub fn candidate(wire: &v1::CandidateRange, length: usize) -> Result<Candidate, Status> {
    let reason = field("candidate.reason", &wire.reason)?;
    let candidate = Candidate {
        start: wire.start as usize,
        end: wire.end as usize,
        indent: wire.indent as usize,
        reason,
    };
    candidate
        .checked(length)
        .map_err(|error| Status::invalid_argument(error.to_string()))
}

/// [`candidate`] the other way.
pub fn candidate_range(candidate: Candidate) -> v1::CandidateRange {
    v1::CandidateRange {
        start: byte_count(candidate.start),
        end: byte_count(candidate.end),
        indent: byte_count(candidate.indent),
        reason: candidate.reason.to_string(),
    }
}

fn byte_count(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a message holds less than 4 GiB")
}

/// How prompts are put to the model.
pub fn chat(base: &v1::BaseModel) -> Result<Chat, Status> {
    if base.chat_json.is_empty() {
        return Ok(Chat::default());
    }
    json_field("base.chat_json", &base.chat_json)
}

/// The revision that is wanted of a model on the hub.
pub fn revision(base: &v1::BaseModel) -> Option<&str> {
    Some(base.revision.as_str()).filter(|revision| !revision.is_empty())
}

/// Parses one value of a case.
pub fn value(name: &str, json: &str) -> Result<Value, Status> {
    json_field(name, json)
}

impl TryFrom<&v1::RolloutVerdict> for Verification {
    type Error = Status;

    fn try_from(wire: &v1::RolloutVerdict) -> Result<Self, Status> {
        Ok(Self {
            verdict: field("verdict", &wire.verdict)?,
            visible: tally("visible", wire.visible_passed, wire.visible_total)?,
            hidden: tally("hidden", wire.hidden_passed, wire.hidden_total)?,
        })
    }
}

fn tally(name: &str, passed: u32, total: u32) -> Result<Tally, Status> {
    // Such counts would make an accuracy above 1.
    if passed > total {
        return Err(Status::invalid_argument(format!(
            "field `{name}`: {passed} passed of {total}"
        )));
    }
    Ok(Tally { passed, total })
}
