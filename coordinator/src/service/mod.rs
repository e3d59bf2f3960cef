//! What the coordinator offers over gRPC. A method parses, calls one function, converts back; decisions are elsewhere.

mod artifacts;
mod assemble;
mod complete;
mod control;
mod experiments;
mod export;
mod fit;
mod lease;
mod records;
mod results;
mod submit;
mod turns;
mod view;
mod watch;
mod workers;

pub use experiments::Shared;

use std::{pin::Pin, time::Duration};

use futures::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{blobs::Blobs, nudge::Nudge, store::Store};
pub use turns::Turns;

/// Everything the three services share.
#[derive(Debug)]
pub struct Service {
    pub store: Store,
    pub blobs: Blobs,
    pub nudge: Nudge,
    /// How long a lease lasts.
    pub lease: Duration,
    /// Lost leases and infrastructure failures of one job before its experiment is paused.
    pub attempts: u32,
    pub turns: Turns,
    /// Cancelled when the coordinator stops: long calls end.
    pub stop: CancellationToken,
}

/// What a server-streaming method answers with.
type Reply<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
