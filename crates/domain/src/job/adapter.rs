//! An adapter as jobs and results name it.

use crate::Digest;

/// The digests that tell one adapter from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdapterRef {
    /// Hashes the configuration, the weights and the base digest.
    pub id: Digest,
    pub config: Digest,
    pub weights: Digest,
}
