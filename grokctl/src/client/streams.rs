//! Streams of records: each message is converted as it comes.

use std::time::Duration;

use groklab_domain::records::ExperimentUpdate;
use groklab_proto::v1;
use tonic::{Status, Streaming};

use super::convert;
use crate::failure::Failure;

/// The longest pause between two messages of a stream that sends as fast as it can.
const STREAM_STALL: Duration = Duration::from_secs(60);

/// A stream that is expected to send without long pauses.
pub struct RecordStream<Wire, Record> {
    pub(super) messages: Streaming<Wire>,
    pub(super) convert: fn(Wire) -> Result<Record, Status>,
    /// What was asked, for errors, and whom.
    pub(super) what: String,
    pub(super) url: String,
}

impl<Wire, Record> RecordStream<Wire, Record> {
    /// The next record, `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Record>, Failure> {
        // A connection that hangs without ending would hang the command.
        let message = tokio::time::timeout(STREAM_STALL, self.messages.message()).await;
        let record = match message {
            Ok(Ok(Some(message))) => (self.convert)(message).map(Some),
            Ok(Ok(None)) => Ok(None),
            Ok(Err(status)) => Err(status),
            Err(_) => Err(Status::deadline_exceeded(no_answer_within(STREAM_STALL))),
        };
        record.map_err(|status| Failure::from_status(&self.what, &status, &self.url))
    }
}

/// What happens to an experiment, as it happens. It may be silent for as long as a job takes.
pub struct Updates(pub(super) Streaming<v1::WatchUpdate>);

impl Updates {
    /// The next update, `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<ExperimentUpdate>, Status> {
        match self.0.message().await? {
            Some(update) => convert::update(update).map(Some),
            None => Ok(None),
        }
    }
}

pub(super) fn no_answer_within(deadline: Duration) -> String {
    format!("no answer within {} s", deadline.as_secs())
}
