//! A blob's bytes out of the store: read in ranges, so that a slow reader holds no connection to
//! the store, and checked against the digest.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use groklab_domain::Digest;
use groklab_proto::limits::CHUNK_BYTES;
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path as Key};
use sha2::{Digest as _, Sha256};

use super::fault::{Operation, Reach};
use crate::error::{Error, Result};

/// Read at once.
const RANGE_BYTES: u64 = 4 << 20;
/// Ranges that are read while one is on its way to the reader.
const READ_AHEAD: usize = 2;

/// Where a blob is found.
#[derive(Debug, Clone)]
pub struct Object {
    pub store: Arc<dyn ObjectStore>,
    pub reach: Reach,
    pub digest: Digest,
    pub key: Key,
}

/// Checks bytes as they pass.
struct Check {
    digest: Digest,
    hasher: Sha256,
    /// Bytes that are still to come.
    left: u64,
}

impl Object {
    /// The bytes in pieces no larger than a chunk on the wire; an empty blob is one empty piece.
    /// What has another digest ends in an error before its last range.
    pub fn pieces(self, size: u64) -> BoxStream<'static, Result<Bytes>> {
        let check = Check {
            digest: self.digest,
            hasher: Sha256::new(),
            left: size,
        };
        let ranges = stream::iter(ranges(size));
        let read = ranges.map(move |range| self.clone().read(range));
        let checked = stream::unfold(
            Some((read.buffered(READ_AHEAD).boxed(), check)),
            next_checked,
        );
        // Who asks once more after the end is told again that it is the end.
        checked.flat_map(cut).fuse().boxed()
    }

    async fn read(self, range: Range<u64>) -> Result<Bytes> {
        // Asked for no bytes, a store refuses the range.
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match self.store.get_range(&self.key, range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            Ok(_) => Err(damaged(self.digest)),
            Err(object_store::Error::NotFound { .. }) => {
                Err(Error::missing("artifact", self.digest))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: object_store::Error) -> Error {
        let name = format!("artifact {}", self.digest);
        self.reach.error(Operation::Get, &name, error)
    }
}

type Unchecked = (BoxStream<'static, Result<Bytes>>, Check);

/// The next range; after an error, and after the last, there is none.
async fn next_checked(state: Option<Unchecked>) -> Option<(Result<Bytes>, Option<Unchecked>)> {
    let (mut ranges, mut check) = state?;
    let bytes = match ranges.next().await? {
        Ok(bytes) => bytes,
        Err(error) => return Some((Err(error), None)),
    };
    check.hasher.update(&bytes);
    check.left = check.left.saturating_sub(bytes.len() as u64);
    if check.left > 0 {
        return Some((Ok(bytes), Some((ranges, check))));
    }
    let found = Digest(check.hasher.finalize().into());
    if found == check.digest {
        Some((Ok(bytes), None))
    } else {
        Some((Err(damaged(check.digest)), None))
    }
}

fn damaged(digest: Digest) -> Error {
    Error::broken(format!(
        "artifact {digest} is damaged: its bytes in the store have another digest"
    ))
}

/// What a blob of `size` bytes is read in; one empty range where it is empty.
fn ranges(size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    loop {
        let end = size.min(start + RANGE_BYTES);
        ranges.push(start..end);
        if end == size {
            return ranges;
        }
        start = end;
    }
}

fn cut(bytes: Result<Bytes>) -> impl Stream<Item = Result<Bytes>> {
    let mut pieces = Vec::new();
    match bytes {
        Ok(bytes) => {
            for start in (0..bytes.len().max(1)).step_by(CHUNK_BYTES) {
                let end = bytes.len().min(start + CHUNK_BYTES);
                pieces.push(Ok(bytes.slice(start..end)));
            }
        }
        Err(error) => pieces.push(Err(error)),
    }
    stream::iter(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_a_blob_without_gaps() {
        for size in [
            0,
            1,
            RANGE_BYTES - 1,
            RANGE_BYTES,
            RANGE_BYTES + 1,
            3 * RANGE_BYTES,
        ] {
            let mut next = 0;
            for range in ranges(size) {
                assert_eq!(range.start, next);
                assert!(range.end - range.start <= RANGE_BYTES);
                next = range.end;
            }
            assert_eq!(next, size);
        }
        assert_eq!(ranges(0), vec![0..0; 1]);
    }
}
