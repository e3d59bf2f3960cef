//! Artifacts' bytes, named by their digest, in an object store. What is there is whole and has the
//! digest it is named by.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use groklab_domain::Digest;
use groklab_proto::limits::{ARTIFACT_BYTES, CHUNK_BYTES};
use object_store::{
    ObjectStore, ObjectStoreExt as _, WriteMultipart, local::LocalFileSystem, path::Path as Key,
};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, Result},
    metrics::{ArtifactOperation, Metrics},
};

/// The object that tells whether the store can be reached; no artifact.
const PROBE_KEY: &str = "probe";

/// A cheap handle on the object store.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    metrics: Metrics,
}

impl Blobs {
    /// Keeps blobs in a folder, which is made where it is missing.
    pub fn in_folder(folder: &Path, metrics: Metrics) -> Result<Self> {
        let open = |folder: &Path| {
            std::fs::create_dir_all(folder)?;
            let store = LocalFileSystem::new_with_prefix(folder)?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(store.with_fsync(true))
        };
        let store = open(folder).map_err(|error| {
            Error::internal(format!("artifact folder `{}`", folder.display()), error)
        })?;
        Ok(Self {
            store: Arc::new(store),
            metrics,
        })
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

    async fn store_checked<S>(&self, digest: Digest, mut data: S) -> Result<u64>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        let upload = self
            .store
            .put_multipart(&key(digest))
            .await
            .map_err(failed("store artifact", digest))?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, 5 << 20);
        let (mut hasher, mut size) = (Sha256::new(), 0);
        let outcome = loop {
            match data.next().await {
                Some(Ok(bytes)) => {
                    hasher.update(&bytes);
                    size += bytes.len() as u64;
                    if size > ARTIFACT_BYTES {
                        break Err(Error::Caller(format!(
                            "artifact {digest} has more than {ARTIFACT_BYTES} bytes"
                        )));
                    }
                    if let Err(error) = writer.wait_for_capacity(4).await {
                        break Err(failed("store artifact", digest)(error));
                    }
                    writer.put(bytes);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        let found = Digest(hasher.finalize().into());
        let wrong = || Error::Caller(format!("the bytes have digest {found}, not {digest}"));
        if let Err(error) = outcome.and_then(|()| {
            if found == digest {
                Ok(())
            } else {
                Err(wrong())
            }
        }) {
            if let Err(error) = writer.abort().await {
                tracing::warn!(%error, artifact.digest = %digest, "discard a refused artifact");
            }
            return Err(error);
        }
        writer
            .finish()
            .await
            .map_err(failed("store artifact", digest))?;
        Ok(size)
    }

    /// Stores bytes and returns their digest.
    pub async fn put_bytes(&self, bytes: Bytes) -> Result<(Digest, u64)> {
        let digest = Digest::of(&bytes);
        let size = self.put(digest, futures::stream::iter([Ok(bytes)])).await?;
        Ok((digest, size))
    }

    /// Whether the store answers. It is asked for an object of its own, which is put there first:
    /// a store that can be read but not written to shows at the start.
    pub async fn probe(&self) -> Result<()> {
        let probe = Key::from(PROBE_KEY);
        let failed = |error| Error::internal("probe the artifact store", error);
        match self.store.head(&probe).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::NotFound { .. }) => {
                let put = self.store.put(&probe, PROBE_KEY.into()).await;
                put.map(drop).map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether the blob is there.
    pub async fn holds(&self, digest: Digest) -> Result<bool> {
        match self.store.head(&key(digest)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed("find artifact", digest)(error)),
        }
    }

    /// Removes a blob; one that is not there is no error.
    pub async fn remove(&self, digest: Digest) -> Result<()> {
        let removed = match self.store.delete(&key(digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove artifact", digest)(error)),
        };
        let bytes = removed.is_ok().then_some(0);
        self.metrics
            .artifact_moved(ArtifactOperation::Remove, bytes);
        removed
    }

    /// The bytes of a blob, in pieces; `Missing` where there is none.
    pub async fn get(&self, digest: Digest) -> Result<BoxStream<'static, Result<Bytes>>> {
        let found = self.store.get(&key(digest)).await;
        let bytes = found.as_ref().ok().map(|found| found.meta.size);
        self.metrics.artifact_moved(ArtifactOperation::Get, bytes);
        match found {
            Ok(found) => Ok(found
                .into_stream()
                .map_err(failed("read artifact", digest))
                .boxed()),
            Err(object_store::Error::NotFound { .. }) => Err(Error::missing("artifact", digest)),
            Err(error) => Err(failed("read artifact", digest)(error)),
        }
    }

    /// The bytes of a blob in pieces no larger than a chunk on the wire; an empty blob is one empty
    /// piece.
    pub async fn pieces(&self, digest: Digest) -> Result<BoxStream<'static, Result<Bytes>>> {
        Ok(self.get(digest).await?.map_ok(cut).try_flatten().boxed())
    }
}

fn cut(bytes: Bytes) -> impl Stream<Item = Result<Bytes>> {
    let mut pieces = Vec::new();
    for start in (0..bytes.len().max(1)).step_by(CHUNK_BYTES) {
        let end = bytes.len().min(start + CHUNK_BYTES);
        pieces.push(Ok(bytes.slice(start..end)));
    }
    stream::iter(pieces)
}

fn key(digest: Digest) -> Key {
    let hex = digest.hex();
    Key::from(format!("sha256/{}/{hex}", &hex[..2]))
}

fn failed(what: &'static str, digest: Digest) -> impl Fn(object_store::Error) -> Error {
    // What the disk says is for everybody: "no space left" is mended by a person, not by another
    // attempt.
    move |error| match disk(&error) {
        Some(said) => Error::internal(format!("{what} {digest}: {said}"), error),
        None => Error::internal(format!("{what} {digest}"), error),
    }
}

fn disk(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut sources = std::iter::successors(Some(error), |error| error.source());
    sources
        .find_map(|error| error.downcast_ref::<std::io::Error>())
        .map(ToString::to_string)
}
