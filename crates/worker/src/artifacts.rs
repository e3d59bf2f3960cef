//! Blobs of the coordinator's store, for the compute thread: fetched once, checked, kept in a
//! folder.

use std::time::Duration;

use groklab_domain::Digest;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    cache::Cache,
    client::{Client, within},
    failure::Failure,
    wire,
};

/// Deadline of one transfer: a large adapter over a slow line.
const TRANSFER_WITHIN: Duration = Duration::from_secs(600);

/// Reads and writes artifacts; blocks, so never call it from async code.
#[derive(Clone)]
pub struct Artifacts {
    client: Client,
    cache: Cache,
    runtime: Handle,
    stop: CancellationToken,
}

impl Artifacts {
    pub(crate) fn new(
        client: Client,
        cache: Cache,
        runtime: Handle,
        stop: CancellationToken,
    ) -> Self {
        Self {
            client,
            cache,
            runtime,
            stop,
        }
    }

    /// The bytes of an artifact, from the folder when it is there and intact.
    pub fn get(&self, digest: Digest) -> Result<Vec<u8>, Failure> {
        if let Some(bytes) = self.cache.get(digest) {
            return Ok(bytes);
        }
        let fetched = self
            .client
            .retry("artifact get", &self.stop, |client| fetch(client, digest));
        let bytes = self.runtime.block_on(fetched).map_err(|status| {
            Failure::infrastructure(format!("fetch artifact `{digest}`: {}", status.message()))
        })?;
        // The job goes on without it; the next one fetches the bytes again.
        if let Err(error) = self.cache.keep(digest, &bytes) {
            tracing::warn!(artifact.digest = %digest, %error, "keep an artifact");
        }
        Ok(bytes)
    }

    /// Stores `bytes`; safe to repeat.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, Failure> {
        let digest = Digest::of(bytes);
        let sent = self.client.retry("artifact put", &self.stop, |client| {
            send(client, digest, bytes)
        });
        match self.runtime.block_on(sent) {
            Ok(()) => Ok(digest),
            Err(status) => Err(Failure::infrastructure(format!(
                "store artifact `{digest}`: {}",
                status.message()
            ))),
        }
    }
}

async fn fetch(client: Client, digest: Digest) -> Result<Vec<u8>, tonic::Status> {
    let request = within(TRANSFER_WITHIN, wire::get_artifact(digest));
    let mut chunks = client.artifacts().get(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.message().await? {
        bytes.extend_from_slice(&chunk.data);
    }
    if Digest::of(&bytes) == digest {
        Ok(bytes)
    } else {
        // `DataLoss` does not heal: the store would give the same bytes again, so the job fails at
        // once.
        Err(tonic::Status::data_loss("its bytes have another digest"))
    }
}

async fn send(client: Client, digest: Digest, bytes: &[u8]) -> Result<(), tonic::Status> {
    let chunks = wire::artifact(digest, bytes);
    client
        .artifacts()
        .put(within(TRANSFER_WITHIN, tokio_stream::iter(chunks)))
        .await
        .map(drop)
}
