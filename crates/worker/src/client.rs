//! The connection to the coordinators: one HTTP/2 connection to each, a deadline on every call, retries of what may heal. Where one
//! does not answer, the next is asked: they share one database.

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
use groklab_runtime::connect::{self, Access, Credentials, heals};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::Channel};

type Connection = InterceptedService<Channel, Credentials>;

/// Deadline of a call that moves little data.
pub const CALL: Duration = Duration::from_secs(30);

/// The services of the coordinators; cheap to clone.
#[derive(Clone)]
pub struct Client {
    connections: Arc<[Connection]>,
    /// Counts the turns from one coordinator to the next.
    turns: Arc<AtomicUsize>,
}

/// Prepares connections to `addresses`, separated by commas; each is made at its first call and again whenever it is lost.
pub fn connect(addresses: &str, access: &Access) -> Result<Client, connect::Error> {
    let connection = |address: &str| {
        let channel = access.endpoint(address.trim())?.connect_lazy();
        Ok(InterceptedService::new(channel, access.credentials()))
    };
    let connections: Vec<Connection> = addresses
        .split(',')
        .map(connection)
        .collect::<Result<_, connect::Error>>()?;
    Ok(Client {
        connections: connections.into(),
        turns: Arc::default(),
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
        self.connections[self.turns.load(Ordering::Relaxed) % self.connections.len()].clone()
    }

    /// Makes one call; where it fails in a way that may heal, the next one goes to the next coordinator.
    pub async fn call<T, Fut>(&self, call: impl FnOnce(Self) -> Fut) -> Result<T, Status>
    where
        Fut: Future<Output = Result<T, Status>>,
    {
        let turn = self.turns.load(Ordering::Relaxed);
        let outcome = call(self.clone()).await;
        if outcome.as_ref().is_err_and(heals) {
            // Of several calls that failed at the same time, only one turns.
            let _ = self.turns.compare_exchange(
                turn,
                turn.wrapping_add(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        outcome
    }

    /// Repeats a call until it succeeds, fails for good, or `stop` is cancelled; waits a little longer each time, up to 5 s.
    pub async fn retry<T, F, Fut>(
        &self,
        what: &'static str,
        stop: &CancellationToken,
        mut call: F,
    ) -> Result<T, Status>
    where
        F: FnMut(Self) -> Fut,
        Fut: Future<Output = Result<T, Status>>,
    {
        let mut wait = Duration::from_millis(100);
        loop {
            let error = match self.call(&mut call).await {
                Err(status) if heals(&status) => status,
                outcome => return outcome,
            };
            if wait > Duration::from_secs(1) {
                let (code, message) = (error.code(), error.message());
                tracing::warn!(
                    call = what,
                    ?code,
                    message,
                    "the coordinator does not answer; trying again"
                );
            }
            if groklab_runtime::shutdown::stopped_within(stop, wait).await {
                return Err(error);
            }
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }
}

/// A request with a deadline.
pub fn within<T>(deadline: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}
