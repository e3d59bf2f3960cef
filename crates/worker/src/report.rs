//! Reports how a job and the worker itself ended, until the coordinator has heard it or the worker has to go.

use std::time::Duration;

use groklab_domain::job::Claim;
use groklab_domain::{Fault, WorkerId};
use groklab_proto::v1;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    Failure, Outcome,
    client::{CALL, Client, within},
};

/// How long a worker that ends tries to say so.
const LEAVE: Duration = Duration::from_secs(5);

/// Sends all results of a job.
pub(crate) async fn complete(
    client: &Client,
    claim: Claim,
    seconds: f64,
    outcome: Outcome,
    stop: &CancellationToken,
) {
    let request = v1::CompleteRequest {
        worker_id: claim.worker.to_string(),
        job_id: claim.job.to_string(),
        fence: claim.fence.0,
        seconds,
        result: Some(outcome),
    };
    let answer = client.retry("complete", stop, |client| {
        let request = request.clone();
        async move { client.workers().complete(within(CALL, request)).await }
    });
    match answer.await {
        Ok(answer) if answer.get_ref().accepted => tracing::info!(seconds, "job done"),
        Ok(_) => tracing::warn!("the result came too late and was not stored"),
        // Refused: the coordinator has recorded the failed attempt itself.
        Err(status) if status.code() == Code::FailedPrecondition => {
            tracing::error!(message = status.message(), "the result was refused");
        }
        Err(status) if stop.is_cancelled() => tracing::error!(
            message = status.message(),
            "the result could not be delivered in time"
        ),
        Err(status) => {
            let reason = format!(
                "its result could not be delivered: {:?}: {}",
                status.code(),
                status.message()
            );
            fail(client, claim, Failure::infrastructure(reason), stop).await;
        }
    }
}

/// Says that a job was not done, and whose fault it is.
pub(crate) async fn fail(
    client: &Client,
    claim: Claim,
    failure: Failure,
    stop: &CancellationToken,
) {
    match failure.fault {
        Fault::Released => tracing::info!("job given back"),
        fault => tracing::error!(%fault, reason = failure.reason, "job failed"),
    }
    let request = v1::FailRequest {
        worker_id: claim.worker.to_string(),
        job_id: claim.job.to_string(),
        fence: claim.fence.0,
        fault: failure.fault.to_string(),
        reason: failure.reason,
    };
    let answer = client.retry("fail", stop, |client| {
        let request = request.clone();
        async move { client.workers().fail(within(CALL, request)).await }
    });
    if let Err(status) = answer.await {
        tracing::warn!(code = ?status.code(), message = status.message(), "the failure could not be reported");
    }
}

/// Says that the worker ends, so that whatever is still leased to it goes to others at once: as a rule a job that was on its way.
pub(crate) async fn leave(client: &Client, worker: WorkerId) {
    let request = v1::LeaveRequest {
        worker_id: worker.to_string(),
    };
    let never = CancellationToken::new();
    let answer = client.retry("leave", &never, |client| {
        let request = request.clone();
        async move { client.workers().leave(within(LEAVE / 3, request)).await }
    });
    if !matches!(timeout(LEAVE, answer).await, Ok(Ok(_))) {
        tracing::warn!(
            "leaving could not be reported; if a job was on its way here, it waits until its lease expires"
        );
    }
}
