//! What the coordinator offers over gRPC. A method parses, calls one function, converts back; decisions are elsewhere.

mod artifacts;
mod assemble;
mod claims;
mod complete;
mod control;
mod fit;
mod group_commit;
mod lease;
mod results;
mod submit;
mod turns;
mod workers;

pub use control::Control;

use std::{pin::Pin, time::Duration};

use futures::Stream;
use groklab_domain::JobKind;
use groklab_proto::v1;
use groklab_runtime::tasks::{Group, OnFailure};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{blobs::Blobs, nudge::Nudge, store::Store};
use claims::{Claims, Wanted};
use complete::{Completions, Done, Taken};
use group_commit::{Queue, lanes};

/// Transactions at a time that take results. One waits for the disk while the other computes.
const COMPLETING: usize = 2;

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
    /// By the kind of job.
    claims: [Queue<Wanted, Vec<v1::Job>>; 3],
    completions: Queue<Done, Taken>,
    /// Cancelled when the coordinator stops: long calls end.
    pub stop: CancellationToken,
}

impl Service {
    /// The service, and in `group` what serves its calls together; that ends once the service is dropped.
    pub fn start(
        store: Store,
        blobs: Blobs,
        nudge: Nudge,
        lease: Duration,
        attempts: u32,
        group: &mut Group,
    ) -> Self {
        let claims = [JobKind::Generate, JobKind::Verify, JobKind::Train].map(|kind| {
            let (queue, claims) = lanes(Claims::new(store.clone(), kind, lease), 1);
            claims
                .into_iter()
                .for_each(|lane| group.spawn("claims", OnFailure::Stop, lane.run()));
            queue
        });
        let (completions, taking) = lanes(
            Completions {
                store: store.clone(),
                nudge: nudge.clone(),
            },
            COMPLETING,
        );
        taking
            .into_iter()
            .for_each(|lane| group.spawn("completions", OnFailure::Stop, lane.run()));
        Self {
            store,
            blobs,
            nudge,
            lease,
            attempts,
            claims,
            completions,
            stop: group.stop(),
        }
    }
}

/// What a server-streaming method answers with.
pub type Reply<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
