//! What a worker says and is told, as messages: the one place that makes and reads them.

use groklab_domain::{Digest, Fence, JobId, JobKind, WorkerId, job::Claim};
use groklab_proto::{limits::CHUNK_BYTES, v1};

use crate::{config::Description, failure::Failure, signal::Signal};

/// The results a job may have, as [`Executor::execute`] returns them.
pub use groklab_proto::v1::complete_request::Result as Outcome;
/// The work of a job.
pub use groklab_proto::v1::job::Work;

pub(crate) fn register(who: &Description, host: String) -> v1::RegisterRequest {
    v1::RegisterRequest {
        worker_id: who.id.to_string(),
        kind: who.kind.to_string(),
        host,
        device: who.device.clone(),
        threads: who.threads,
        python: who.python.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Asks for one job: there is one compute thread, and when it asks, it holds none.
pub(crate) fn lease(worker: WorkerId, kind: JobKind) -> v1::LeaseRequest {
    v1::LeaseRequest {
        worker_id: worker.to_string(),
        kind: kind.to_string(),
        capacity: 1,
        held: Vec::new(),
    }
}

pub(crate) fn heartbeat(claim: Claim, signal: &Signal) -> v1::HeartbeatRequest {
    let held = v1::Held {
        job_id: claim.job.to_string(),
        fence: claim.fence.0,
        units_done: signal.units_done(),
        units_total: signal.units_total(),
    };
    v1::HeartbeatRequest {
        worker_id: claim.worker.to_string(),
        held: vec![held],
    }
}

pub(crate) fn complete(claim: Claim, seconds: f64, outcome: Outcome) -> v1::CompleteRequest {
    v1::CompleteRequest {
        worker_id: claim.worker.to_string(),
        job_id: claim.job.to_string(),
        fence: claim.fence.0,
        seconds,
        result: Some(outcome),
    }
}

pub(crate) fn fail(claim: Claim, failure: Failure) -> v1::FailRequest {
    v1::FailRequest {
        worker_id: claim.worker.to_string(),
        job_id: claim.job.to_string(),
        fence: claim.fence.0,
        fault: failure.fault.to_string(),
        reason: failure.reason,
    }
}

pub(crate) fn leave(worker: WorkerId) -> v1::LeaveRequest {
    v1::LeaveRequest {
        worker_id: worker.to_string(),
    }
}

pub(crate) fn get_artifact(digest: Digest) -> v1::GetArtifactRequest {
    v1::GetArtifactRequest {
        digest: digest.to_string(),
    }
}

/// An artifact's bytes in pieces, of which the first names it; an empty one has a piece too.
pub(crate) fn artifact(digest: Digest, bytes: &[u8]) -> Vec<v1::ArtifactChunk> {
    let mut chunks = Vec::new();
    for data in bytes.chunks(CHUNK_BYTES) {
        chunks.push(v1::ArtifactChunk {
            digest: String::new(),
            data: data.to_vec(),
        });
    }
    if chunks.is_empty() {
        chunks.push(v1::ArtifactChunk::default());
    }
    chunks[0].digest = digest.to_string();
    chunks
}

/// A leased job, parsed.
pub(crate) struct Leased {
    pub job: JobId,
    pub fence: Fence,
    pub experiment: String,
    pub attempt: u32,
    pub traceparent: String,
    pub work: Work,
}

impl TryFrom<v1::Job> for Leased {
    type Error = tonic::Status;

    fn try_from(wire: v1::Job) -> Result<Self, tonic::Status> {
        let Some(work) = wire.work else {
            let reason = format!("job `{}` has no work", wire.job_id);
            return Err(tonic::Status::invalid_argument(reason));
        };
        Ok(Self {
            job: groklab_proto::convert::field("job_id", &wire.job_id)?,
            fence: Fence(wire.fence),
            experiment: wire.experiment_id,
            attempt: wire.attempt,
            traceparent: wire.traceparent,
            work,
        })
    }
}
