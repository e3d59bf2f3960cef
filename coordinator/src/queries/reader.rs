//! What answers are made from.

use tokio_util::sync::CancellationToken;

use crate::{blobs::Blobs, nudge::Nudge, store::Store};

/// The database, the blobs, and news that something has changed. A cheap handle: an answer that is
/// a stream keeps one for as long as it is read.
#[derive(Debug, Clone)]
pub struct Reader {
    pub store: Store,
    pub blobs: Blobs,
    pub nudge: Nudge,
    /// Cancelled when the coordinator stops: long answers end.
    pub stop: CancellationToken,
}
