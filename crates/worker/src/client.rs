//! The connection to the coordinators: one HTTP/2 connection to each, a deadline on every call,
//! retries of what may heal. Where one does not answer, the next is asked: they share one database.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use groklab_proto::{
    limits::MESSAGE_BYTES,
    v1::{artifacts_client::ArtifactsClient, workers_client::WorkersClient},
};
use groklab_runtime::{
    connect::{self, Access, Credentials, heals},
    rpc::ClientCalls,
    shutdown::stopped_within,
};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Status as RpcStatus, service::interceptor::InterceptedService};

use crate::status::Status;

/// Spans go around the credentials, which send the span's context along.
type Connection = ClientCalls<InterceptedService<Channel, Credentials>>;

/// Deadline of a call that moves little data.
pub const CALL_WITHIN: Duration = Duration::from_secs(30);

/// The wait before the second try of a call; it doubles with each try.
const FIRST_RETRY_AFTER: Duration = Duration::from_millis(100);
const LAST_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Failures that heal within this time are not worth a warning.
const WARN_AFTER: Duration = Duration::from_secs(1);

/// The services of the coordinators; cheap to clone.
#[derive(Clone)]
pub struct Client {
    connections: Arc<[Connection]>,
    /// Counts the turns from one coordinator to the next.
    turns: Arc<AtomicUsize>,
    status: Status,
}

/// Prepares connections to `addresses`, separated by commas; each is made at its first call and
/// again whenever it is lost. `status` hears whether calls are answered.
pub(crate) fn connect(
    addresses: &str,
    access: &Access,
    status: Status,
) -> Result<Client, connect::Error> {
    let mut connections = Vec::new();
    for address in addresses.split(',') {
        let endpoint = access.endpoint(address.trim())?;
        let server = endpoint.uri().clone();
        // Lazily, so that a coordinator that starts after its workers is waited for like one that
        // is away later.
        let channel = InterceptedService::new(endpoint.connect_lazy(), access.credentials());
        connections.push(ClientCalls::new(channel, server));
    }
    Ok(Client {
        connections: connections.into(),
        turns: Arc::default(),
        status,
    })
}

impl Client {
    pub fn workers(&self) -> WorkersClient<Connection> {
        WorkersClient::new(self.current())
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES)
    }

    pub fn artifacts(&self) -> ArtifactsClient<Connection> {
        ArtifactsClient::new(self.current())
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES)
    }

    fn current(&self) -> Connection {
        // Channels are handles: a clone uses the same connection.
        self.connections[self.turns.load(Ordering::Relaxed) % self.connections.len()].clone()
    }

    /// Makes one call; where it fails in a way that may heal, the next one goes to the next
    /// coordinator.
    pub async fn call<T, Fut>(&self, call: impl FnOnce(Self) -> Fut) -> Result<T, RpcStatus>
    where
        Fut: Future<Output = Result<T, RpcStatus>>,
    {
        // Read before the call: of several calls that fail together only the first then turns.
        let turn = self.turns.load(Ordering::Relaxed);
        let outcome = call(self.clone()).await;
        match &outcome {
            Err(status) if heals(status) => {
                self.status.call_unanswered();
                self.turn_from(turn);
            }
            // A refusal is an answer too.
            _ => self.status.call_answered(),
        }
        outcome
    }

    /// Goes on to the next coordinator. Of several calls that failed at once, only one turns.
    fn turn_from(&self, turn: usize) {
        let next = turn.wrapping_add(1);
        let relaxed = Ordering::Relaxed;
        // It fails where another call has turned already.
        let _ = self.turns.compare_exchange(turn, next, relaxed, relaxed);
    }

    /// Repeats a call until it succeeds, fails for good, or `stop` is cancelled; waits a little
    /// longer each time, up to 5 s.
    pub async fn retry<T, F, Fut>(
        &self,
        name: &'static str,
        stop: &CancellationToken,
        mut call: F,
    ) -> Result<T, RpcStatus>
    where
        F: FnMut(Self) -> Fut,
        Fut: Future<Output = Result<T, RpcStatus>>,
    {
        let mut wait = FIRST_RETRY_AFTER;
        loop {
            let error = match self.call(&mut call).await {
                Err(status) if heals(&status) => status,
                outcome => return outcome,
            };
            if wait > WARN_AFTER {
                tracing::warn!(
                    call = name,
                    code = ?error.code(),
                    message = error.message(),
                    "the coordinator does not answer; trying again"
                );
            }
            // The next call may go to another coordinator, but rests all the same: all may be away.
            if stopped_within(stop, wait).await {
                return Err(error);
            }
            wait = (wait * 2).min(LAST_RETRY_AFTER);
        }
    }
}

/// A request with a deadline.
pub fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}
