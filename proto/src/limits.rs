//! Limits that both ends of the wire agree on.

pub use groklab_domain::job::MESSAGE_BYTES;

/// The data bytes of one artifact chunk.
pub const CHUNK_BYTES: usize = 1 << 20;

/// The largest artifact, in bytes: adapters and training sets are far below it.
pub const ARTIFACT_BYTES: u64 = 4 << 30;

/// How long a `Lease` call may wait for work, in seconds.
pub const LEASE_POLL_SECONDS: u64 = 20;
