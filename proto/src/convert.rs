//! Parsing what came over the wire: a field that does not parse becomes `invalid_argument` that names it.

use groklab_domain::{
    Fence, Tally, Value, Verification,
    candidate::Candidate,
    experiment::Chat,
    job::{AdapterRef, Claim},
};
use tonic::Status;

use crate::v1;

/// Parses `text` as the field `name`; the error names the field and its value.
pub fn field<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Status>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| {
        let (shown, reason) = (shortened(text, 200), error.to_string());
        Status::invalid_argument(format!(
            "field `{name}` = `{shown}`: {}",
            shortened(&reason, 200)
        ))
    })
}

/// The first `most` characters of a text that someone else chose: no answer and no log line grows with what was sent.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Like [`field`], where an empty text means absent.
pub fn optional_field<T: std::str::FromStr>(name: &str, text: &str) -> Result<Option<T>, Status>
where
    T::Err: std::fmt::Display,
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
    let number = |bytes: usize| u32::try_from(bytes).expect("a message holds less than 4 GiB");
    let Candidate {
        start,
        end,
        indent,
        reason,
    } = candidate;
    v1::CandidateRange {
        start: number(start),
        end: number(end),
        indent: number(indent),
        reason: reason.to_string(),
    }
}

/// How prompts are put to the model.
pub fn chat(base: &v1::BaseModel) -> Result<Chat, Status> {
    if base.chat_json.is_empty() {
        return Ok(Chat::default());
    }
    let wrong = |error: serde_json::Error| {
        Status::invalid_argument(format!(
            "field `base.chat_json`: {}",
            shortened(&error.to_string(), 200)
        ))
    };
    serde_json::from_str(&base.chat_json).map_err(wrong)
}

/// Parses one value of a case.
pub fn value(name: &str, json: &str) -> Result<Value, Status> {
    serde_json::from_str(json).map_err(|error| {
        Status::invalid_argument(format!(
            "field `{name}`: {}",
            shortened(&error.to_string(), 200)
        ))
    })
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
    if passed > total {
        return Err(Status::invalid_argument(format!(
            "field `{name}`: {passed} passed of {total}"
        )));
    }
    Ok(Tally { passed, total })
}
