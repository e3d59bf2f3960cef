//! What all calls share: the store, the blobs, and the queues behind which calls are served
//! together.

use std::{path::PathBuf, time::Duration};

use enum_map::EnumMap;
use groklab_domain::JobKind;
use groklab_runtime::tasks::{Group, OnFailure};
use tokio_util::sync::CancellationToken;

use crate::{
    blobs::Blobs,
    jobs::{Claims, Completion, Completions, LeaseRequest, Outcome, Queue, lanes},
    kinds::Assignment,
    metrics::Metrics,
    nudge::Nudge,
    store::Store,
};

/// Transactions at a time that take results. One waits for the disk while the other computes.
const COMPLETING_TRANSACTIONS: usize = 2;

/// What calls are served with.
#[derive(Debug, Clone)]
pub struct Resources {
    pub store: Store,
    pub blobs: Blobs,
    pub nudge: Nudge,
    /// How long a lease lasts.
    pub lease: Duration,
    /// Lost leases and infrastructure failures of one job before its experiment is paused.
    pub attempts: u32,
    /// Where models of the users' own lie; absent: anywhere.
    pub model_folder: Option<PathBuf>,
    pub metrics: Metrics,
}

/// Everything the three gRPC services share.
#[derive(Debug)]
pub struct Service {
    pub store: Store,
    pub blobs: Blobs,
    pub nudge: Nudge,
    pub lease: Duration,
    pub attempts: u32,
    pub model_folder: Option<PathBuf>,
    pub metrics: Metrics,
    pub claims: EnumMap<JobKind, Queue<LeaseRequest, Vec<Assignment>>>,
    pub completions: Queue<Completion, Outcome>,
    /// Cancelled when the coordinator stops: long calls end.
    pub stop: CancellationToken,
}

impl Service {
    /// Makes the service, and in `group` the lanes that serve its calls together; they end once the
    /// service is dropped.
    pub fn start(resources: Resources, group: &mut Group) -> Self {
        let Resources {
            store,
            blobs,
            nudge,
            lease,
            attempts,
            model_folder,
            metrics,
        } = resources;
        let claims = EnumMap::from_fn(|kind| {
            // One lane: whose turn it is depends on what was handed out before, and two lanes were
            // slower (`docs/log.md`).
            let (queue, claims) =
                lanes(Claims::new(store.clone(), kind, lease, metrics.clone()), 1);
            for lane in claims {
                group.spawn("claims", OnFailure::Stop, lane.run());
            }
            queue
        });
        let takes_results = Completions {
            store: store.clone(),
            nudge: nudge.clone(),
            metrics: metrics.clone(),
        };
        let (completions, taking) = lanes(takes_results, COMPLETING_TRANSACTIONS);
        for lane in taking {
            group.spawn("completions", OnFailure::Stop, lane.run());
        }
        Self {
            store,
            blobs,
            nudge,
            lease,
            attempts,
            model_folder,
            metrics,
            claims,
            completions,
            stop: group.stop(),
        }
    }
}
