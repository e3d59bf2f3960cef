//! The `Workers` service.

use groklab_domain::{Fault, JobId, JobKind, WorkerId};
use groklab_proto::{
    convert::{claim, field, optional_field},
    v1::{
        self, CompleteRequest, CompleteResponse, FailRequest, FailResponse, HeartbeatRequest,
        HeartbeatResponse, LeaseRequest, LeaseResponse, LeaveRequest, LeaveResponse,
        RegisterRequest, RegisterResponse, workers_server::Workers,
    },
};
use tonic::{Request, Response, Status};

use prost::Message as _;

use crate::{
    jobs::{Completion, LeaseRequest as Wanted},
    kinds::{Assignment, Results},
    service::Service,
    store::{lease::HeldJob, worker::Registration},
};

/// What a worker may ask for or hold at once.
const MAX_JOBS: usize = 256;
/// The longest text that a worker says of itself.
const MAX_TEXT_BYTES: usize = 256;

#[tonic::async_trait]
impl Workers for Service {
    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterResponse>, Status> {
        let registration = registration(request.into_inner())?;
        self.register_worker(&registration).await?;
        let lease_seconds = u32::try_from(self.lease.as_secs()).unwrap_or(u32::MAX);
        Ok(Response::new(RegisterResponse { lease_seconds }))
    }

    async fn lease(
        &self,
        request: Request<LeaseRequest>,
    ) -> Result<Response<LeaseResponse>, Status> {
        let request = request.into_inner();
        let wanted = Wanted {
            worker: field("worker_id", &request.worker_id)?,
            kind: field::<JobKind>("kind", &request.kind)?,
            // A worker that asks for more is given what one may have.
            capacity: request.capacity.min(MAX_JOBS as u32),
            held: held(&request.held)?
                .into_iter()
                .map(|held| held.job)
                .collect(),
        };
        let assignments = self.lease_jobs(&wanted).await?;
        Ok(Response::new(LeaseResponse {
            jobs: assignments.into_iter().map(message).collect(),
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let worker: WorkerId = field("worker_id", &request.worker_id)?;
        let dropped = self.extend_leases(worker, &held(&request.held)?).await?;
        Ok(Response::new(HeartbeatResponse {
            dropped: dropped.iter().map(JobId::to_string).collect(),
        }))
    }

    async fn complete(
        &self,
        request: Request<CompleteRequest>,
    ) -> Result<Response<CompleteResponse>, Status> {
        let request = request.into_inner();
        // The message's size stands for what it takes in memory; it is consumed below.
        let bytes = request.encoded_len();
        let completion = Completion {
            claim: claim(&request.worker_id, &request.job_id, request.fence)?,
            seconds: request.seconds,
            // A refusal is passed on rather than answered: only the transaction knows whether the
            // claim still stands, and a refused result counts as an attempt.
            results: Results::parse(request.result),
        };
        let accepted = self.complete_job(completion, bytes).await?;
        Ok(Response::new(CompleteResponse { accepted }))
    }

    async fn fail(&self, request: Request<FailRequest>) -> Result<Response<FailResponse>, Status> {
        let request = request.into_inner();
        let claim = claim(&request.worker_id, &request.job_id, request.fence)?;
        let fault: Fault = field("fault", &request.fault)?;
        self.fail_job(claim, fault, &request.reason).await?;
        Ok(Response::new(FailResponse {}))
    }

    async fn leave(
        &self,
        request: Request<LeaveRequest>,
    ) -> Result<Response<LeaveResponse>, Status> {
        self.forget_worker(field("worker_id", &request.into_inner().worker_id)?)
            .await?;
        Ok(Response::new(LeaveResponse {}))
    }
}

fn message(Assignment { job, work }: Assignment) -> v1::Job {
    v1::Job {
        job_id: job.id.to_string(),
        fence: job.fence.0,
        experiment_id: job.experiment.to_string(),
        // A fence that only grew by claims counts the attempts.
        attempt: u32::try_from(job.fence.0).unwrap_or(u32::MAX),
        traceparent: job.traceparent,
        work: Some(work),
    }
}

fn registration(wire: RegisterRequest) -> Result<Registration, Status> {
    for (name, text) in [
        ("host", &wire.host),
        ("device", &wire.device),
        ("version", &wire.version),
    ] {
        if text.len() > MAX_TEXT_BYTES || text.contains('\0') {
            return Err(Status::invalid_argument(format!(
                "field `{name}`: at most {MAX_TEXT_BYTES} bytes, none of them NUL"
            )));
        }
    }
    if wire.threads > 1 << 16 {
        return Err(Status::invalid_argument(format!(
            "field `threads` = {}: at most 65536",
            wire.threads
        )));
    }
    let kind: JobKind = field("kind", &wire.kind)?;
    let python = match kind {
        JobKind::Verify => Some(field("python", &wire.python)?),
        JobKind::Generate | JobKind::Train => optional_field("python", &wire.python)?,
    };
    Ok(Registration {
        worker: field("worker_id", &wire.worker_id)?,
        kind,
        python,
        host: wire.host,
        device: wire.device,
        threads: wire.threads,
        version: wire.version,
    })
}

fn held(wire: &[v1::Held]) -> Result<Vec<HeldJob>, Status> {
    if wire.len() > MAX_JOBS {
        return Err(Status::invalid_argument(format!(
            "field `held`: {} jobs, at most {MAX_JOBS}",
            wire.len()
        )));
    }
    let held = wire.iter().map(|held| {
        let (job, fence) = (
            field("held.job_id", &held.job_id)?,
            groklab_domain::Fence(held.fence),
        );
        Ok(HeldJob {
            job,
            fence,
            units_done: held.units_done,
            units_total: held.units_total,
        })
    });
    held.collect()
}
