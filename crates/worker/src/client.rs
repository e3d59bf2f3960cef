//! The connection to the coordinator: one HTTP/2 connection, a deadline on every call, retries of what may heal.

use std::{future::Future, time::Duration};

use groklab_proto::{
    limits::MESSAGE_BYTES,
    v1::{artifacts_client::ArtifactsClient, workers_client::WorkersClient},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Status,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

type Traced = InterceptedService<Channel, fn(Request<()>) -> Result<Request<()>, Status>>;

/// Deadline of a call that moves little data.
pub const CALL: Duration = Duration::from_secs(30);

/// The services of one coordinator; cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub workers: WorkersClient<Traced>,
    pub artifacts: ArtifactsClient<Traced>,
}

/// Prepares the connection; it is made at the first call and again whenever it is lost.
pub fn connect(address: &str) -> Result<Client, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(address.to_owned())?
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    let trace: fn(Request<()>) -> Result<Request<()>, Status> = groklab_runtime::trace::inject;
    let channel = InterceptedService::new(endpoint.connect_lazy(), trace);
    let limit = MESSAGE_BYTES;
    Ok(Client {
        workers: WorkersClient::new(channel.clone()).max_decoding_message_size(limit).max_encoding_message_size(limit),
        artifacts: ArtifactsClient::new(channel).max_decoding_message_size(limit).max_encoding_message_size(limit),
    })
}

/// Whether the same call may succeed later.
pub fn heals(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted | Code::Cancelled | Code::Unknown
    )
}

/// Repeats a call until it succeeds, fails for good, or `stop` is cancelled; waits a little longer each time, up to 5 s.
pub async fn retry<T, F, Fut>(what: &'static str, stop: &CancellationToken, mut call: F) -> Result<T, Status>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Status>>,
{
    let mut wait = Duration::from_millis(100);
    loop {
        let error = match call().await {
            Err(status) if heals(&status) => status,
            outcome => return outcome,
        };
        if wait > Duration::from_secs(1) {
            tracing::warn!(call = what, code = ?error.code(), message = error.message(), "the coordinator does not answer; trying again");
        }
        if groklab_runtime::shutdown::stopped_within(stop, wait).await {
            return Err(error);
        }
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// A request with a deadline.
pub fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}
