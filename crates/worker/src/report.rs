//! Reports how a job and the worker itself ended, until the coordinator has heard it or the worker
//! has to go.

use std::time::Duration;

use groklab_domain::{Fault, WorkerId, job::Claim};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::{
    Failure, Outcome,
    client::{CALL_WITHIN, Client, within},
    wire,
};

/// How long a worker that ends tries to say so.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// A job that was done, and the seconds its work took.
pub(crate) struct CompletedJob {
    pub claim: Claim,
    pub seconds: f64,
    pub outcome: Outcome,
}

/// Sends all results of a job.
pub(crate) async fn complete(client: &Client, done: CompletedJob, stop: &CancellationToken) {
    let CompletedJob {
        claim,
        seconds,
        outcome,
    } = done;
    let request = wire::complete(claim, seconds, outcome);
    let answer = client.retry("complete", stop, |client| {
        let request = within(CALL_WITHIN, request.clone());
        async move { client.workers().complete(request).await }
    });
    let status = match answer.await {
        Ok(answer) if answer.get_ref().accepted => {
            tracing::info!(seconds, "job done");
            return;
        }
        Ok(_) => {
            tracing::warn!("the result came too late and was not stored");
            return;
        }
        Err(status) => status,
    };
    let (code, message) = (status.code(), status.message());
    if code == Code::FailedPrecondition {
        // The coordinator has recorded the failed attempt itself.
        tracing::error!(message, "the result was refused");
    } else if code == Code::NotFound {
        tracing::warn!(
            message,
            "its experiment was deleted; the result was not stored"
        );
    } else if stop.is_cancelled() {
        // There is no time left for `fail`; `leave` still hands the job back.
        tracing::error!(message, "the result could not be delivered in time");
    } else {
        // `retry` gave up, so the same call would fail again; another attempt at the job may not.
        let reason = format!("its result could not be delivered: {code:?}: {message}");
        fail(client, claim, Failure::infrastructure(reason), stop).await;
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
    let request = wire::fail(claim, failure);
    let answer = client.retry("fail", stop, |client| {
        let request = within(CALL_WITHIN, request.clone());
        async move { client.workers().fail(request).await }
    });
    if let Err(status) = answer.await {
        let (code, message) = (status.code(), status.message());
        tracing::warn!(?code, message, "the failure could not be reported");
    }
}

/// Says that the worker ends, so that a job leased to it that it never received goes to others at
/// once.
pub(crate) async fn leave(client: &Client, worker: WorkerId) {
    let request = wire::leave(worker);
    let never = CancellationToken::new();
    let answer = client.retry("leave", &never, |client| {
        // Time for three tries.
        let request = within(LEAVE_WITHIN / 3, request.clone());
        async move { client.workers().leave(request).await }
    });
    if !matches!(timeout(LEAVE_WITHIN, answer).await, Ok(Ok(_))) {
        tracing::warn!(
            "leaving could not be reported; a job that was on its way here waits until its lease \
             expires"
        );
    }
}
