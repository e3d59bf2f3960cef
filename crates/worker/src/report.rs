//! Reports how a job ended, until the coordinator has heard it or the worker has to go.

use groklab_domain::Fault;
use groklab_proto::{convert::Claim, v1};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    Failure, Outcome,
    client::{CALL, Client, within},
};

/// Sends all results of a job.
pub(crate) async fn complete(client: &Client, claim: Claim, seconds: f64, outcome: Outcome, stop: &CancellationToken) {
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
        Err(status) if stop.is_cancelled() => tracing::error!(message = status.message(), "the result could not be delivered in time"),
        Err(status) => {
            let reason = format!("its result could not be delivered: {:?}: {}", status.code(), status.message());
            fail(client, claim, Failure::infrastructure(reason), stop).await;
        }
    }
}

/// Says that a job was not done, and whose fault it is.
pub(crate) async fn fail(client: &Client, claim: Claim, failure: Failure, stop: &CancellationToken) {
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
        tracing::warn!(code = ?status.code(), message = status.message(), "the failure could not be reported; the lease will expire");
    }
}
