//! The handle on the artifacts' store. What is there is whole and has the digest it is named by.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use groklab_domain::Digest;
use groklab_proto::limits::ARTIFACT_BYTES;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path as Key};
use sha2::{Digest as _, Sha256};

use super::{
    fault::{Operation, Reach},
    folder,
    place::Place,
    reading::Object,
    s3::{self, AwsVariables},
    upload::{Abandon, Abandoned, PART_BYTES, Upload, abandoned},
};
use crate::{
    error::{Error, Result},
    metrics::{ArtifactOperation, Metrics},
};

/// The object that tells whether the store can be reached; no artifact.
const PROBE_KEY: &str = "probe";
/// Blobs that are removed at the same time.
const REMOVED_AT_A_TIME: usize = 20;

/// A cheap handle on the object store.
#[derive(Debug, Clone)]
pub struct Blobs {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same, with little patience: for those who only ask whether it answers.
    impatient: Arc<dyn ObjectStore>,
    pub(super) reach: Reach,
    abandon: Abandon,
    metrics: Metrics,
}

impl Blobs {
    /// Opens the store, and what discards uploads that nobody finishes. Asks S3 nothing yet.
    pub fn open(
        place: &Place,
        variables: &AwsVariables,
        metrics: Metrics,
    ) -> anyhow::Result<(Self, Abandoned)> {
        let (store, impatient, reach) = match place {
            Place::Folder(path) => {
                let store = folder::open(path)?;
                (store.clone(), store, Reach::Folder(path.clone()))
            }
            Place::S3(bucket) => {
                let settings = s3::Settings::new(bucket, variables)?;
                let (store, impatient) = (settings.store()?, settings.impatient_store()?);
                (store, impatient, Reach::S3(settings.way()))
            }
        };
        let (abandon, abandoned) = abandoned(reach.clone());
        let blobs = Self {
            store,
            impatient,
            reach,
            abandon,
            metrics,
        };
        Ok((blobs, abandoned))
    }

    /// Stores a stream of bytes under `digest` and returns its size. Bytes that do not have the
    /// digest are refused and leave nothing.
    pub async fn put<S>(&self, digest: Digest, data: S) -> Result<u64>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        let stored = self.store_checked(digest, data).await;
        let bytes = stored.as_ref().ok().copied();
        self.metrics.artifact_moved(ArtifactOperation::Put, bytes);
        stored
    }

    async fn store_checked<S>(&self, digest: Digest, data: S) -> Result<u64>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        // The last part is known by asking once more after the end.
        let mut incoming = Incoming::new(digest, data.fuse());
        let first = incoming.part().await?;
        if first.content_length() < PART_BYTES {
            // It is there at once or not at all, also when the sender goes away.
            let size = incoming.checked_size()?;
            let stored = self.store.put(&key(digest), first).await;
            stored.map_err(|error| self.failed(Operation::Put, digest, error))?;
            return Ok(size);
        }
        let failed = |error| self.failed(Operation::Put, digest, error);
        let begun = self.store.put_multipart(&key(digest)).await;
        let name = format!("artifact {digest}");
        let mut upload = Upload::new(begun.map_err(failed)?, name, self.abandon.clone());
        upload.send(first).await.map_err(failed)?;
        loop {
            let part = incoming.part().await?;
            if part.content_length() == 0 {
                break;
            }
            upload.send(part).await.map_err(failed)?;
        }
        let size = incoming.checked_size()?;
        match upload.finish().await {
            Ok(()) => Ok(size),
            // The answer may have been lost, and not what it was about.
            Err(_)
                if self
                    .size(digest)
                    .await
                    .is_ok_and(|found| found == Some(size)) =>
            {
                Ok(size)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Stores bytes and returns their digest.
    pub async fn put_bytes(&self, bytes: Bytes) -> Result<(Digest, u64)> {
        let digest = Digest::of(&bytes);
        let size = self.put(digest, stream::iter([Ok(bytes)])).await?;
        Ok((digest, size))
    }

    /// Whether the store answers. It is asked for an object of its own, which is put there first:
    /// a store that can be read but not written to shows.
    pub async fn probe(&self) -> Result<()> {
        let probe = Key::from(PROBE_KEY);
        let (operation, error) = match self.impatient.head(&probe).await {
            Ok(_) => return Ok(()),
            Err(object_store::Error::NotFound { .. }) => {
                match self.impatient.put(&probe, PROBE_KEY.into()).await {
                    Ok(_) => return Ok(()),
                    Err(error) => (Operation::Put, error),
                }
            }
            Err(error) => (Operation::Find, error),
        };
        Err(self.reach.error(operation, "the probe", error))
    }

    /// Whether the blob is there.
    pub async fn holds(&self, digest: Digest) -> Result<bool> {
        Ok(self.size(digest).await?.is_some())
    }

    /// The size of a blob; None where it is not there.
    async fn size(&self, digest: Digest) -> Result<Option<u64>> {
        match self.store.head(&key(digest)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(Operation::Find, digest, error)),
        }
    }

    /// Removes a blob; one that is not there is no error.
    pub async fn remove(&self, digest: Digest) -> Result<()> {
        let removed = match self.store.delete(&key(digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(Operation::Remove, digest, error)),
        };
        let bytes = removed.is_ok().then_some(0);
        self.metrics
            .artifact_moved(ArtifactOperation::Remove, bytes);
        removed
    }

    /// Removes blobs, some of them at a time, up to the first that cannot be.
    pub async fn remove_all(&self, digests: &[Digest]) -> Result<()> {
        let removals = stream::iter(digests.iter().copied().map(|digest| self.remove(digest)));
        removals
            .buffer_unordered(REMOVED_AT_A_TIME)
            .try_collect()
            .await
    }

    /// The bytes of a blob in pieces no larger than a chunk on the wire; an empty blob is one empty
    /// piece. `Missing` where there is none; bytes that have another digest end in an error.
    pub async fn pieces(&self, digest: Digest) -> Result<BoxStream<'static, Result<Bytes>>> {
        let size = self.size_of_present(digest).await;
        let bytes = size.as_ref().ok().copied();
        self.metrics.artifact_moved(ArtifactOperation::Get, bytes);
        let object = Object {
            store: self.store.clone(),
            reach: self.reach.clone(),
            digest,
            key: key(digest),
        };
        Ok(object.pieces(size?))
    }

    async fn size_of_present(&self, digest: Digest) -> Result<u64> {
        if let Some(size) = self.size(digest).await? {
            return Ok(size);
        }
        // S3 tells a missing object from a missing bucket only to those who ask for the bytes.
        match self.store.get(&key(digest)).await {
            Ok(found) => Ok(found.meta.size),
            Err(object_store::Error::NotFound { .. }) => Err(Error::missing("artifact", digest)),
            Err(error) => Err(self.failed(Operation::Get, digest, error)),
        }
    }

    fn failed(&self, operation: Operation, digest: Digest, error: object_store::Error) -> Error {
        self.reach
            .error(operation, &format!("artifact {digest}"), error)
    }
}

/// Bytes on their way in.
struct Incoming<S> {
    digest: Digest,
    data: S,
    hasher: Sha256,
    size: u64,
    /// What came with the last part and belongs to the next.
    left: Bytes,
}

impl<S> Incoming<S>
where
    S: Stream<Item = Result<Bytes>> + Unpin,
{
    fn new(digest: Digest, data: S) -> Self {
        Self {
            digest,
            data,
            hasher: Sha256::new(),
            size: 0,
            left: Bytes::new(),
        }
    }

    /// The next part; a shorter one only at the end, and then empty ones.
    async fn part(&mut self) -> Result<PutPayload> {
        let (mut part, mut length) = (Vec::new(), 0);
        loop {
            let taken = self.left.len().min(PART_BYTES - length);
            length += taken;
            part.push(self.left.split_to(taken));
            if length == PART_BYTES {
                break;
            }
            let Some(bytes) = self.data.next().await.transpose()? else {
                break;
            };
            self.size += bytes.len() as u64;
            if self.size > ARTIFACT_BYTES {
                return Err(Error::Caller(format!(
                    "artifact {} has more than {ARTIFACT_BYTES} bytes",
                    self.digest
                )));
            }
            self.hasher.update(&bytes);
            self.left = bytes;
        }
        Ok(part.into_iter().collect())
    }

    /// The size of all that came, if it has the digest.
    fn checked_size(self) -> Result<u64> {
        let found = Digest(self.hasher.finalize().into());
        if found == self.digest {
            Ok(self.size)
        } else {
            Err(Error::Caller(format!(
                "the bytes have digest {found}, not {}",
                self.digest
            )))
        }
    }
}

pub(super) fn key(digest: Digest) -> Key {
    let hex = digest.hex();
    Key::from(format!("sha256/{}/{hex}", &hex[..2]))
}
