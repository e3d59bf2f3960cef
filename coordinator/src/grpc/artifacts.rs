//! The `Artifacts` service: blobs in and out in pieces.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use groklab_proto::{
    convert::field,
    v1::{ArtifactChunk, GetArtifactRequest, PutArtifactResponse, artifacts_server::Artifacts},
};
use tonic::{Request, Response, Status, Streaming};

use super::Reply;
use crate::{error::Error, service::Service, store::artifact};

#[tonic::async_trait]
impl Artifacts for Service {
    async fn put(
        &self,
        request: Request<Streaming<ArtifactChunk>>,
    ) -> Result<Response<PutArtifactResponse>, Status> {
        let mut chunks = request.into_inner();
        let first = chunks
            .message()
            .await?
            .ok_or_else(|| Status::invalid_argument("no chunk: the first one names the digest"))?;
        let digest = field("digest", &first.digest)?;
        let rest = chunks
            .map_ok(|chunk| chunk.data)
            .map_err(|status| Error::Caller(format!("the stream broke: {}", status.message())));
        let data = stream::iter([Ok(first.data)])
            .chain(rest)
            .map_ok(Bytes::from)
            .boxed();
        // The bytes first: a row without them would make others believe that they are there.
        let size = self.blobs.put(digest, data).await?;
        // Taken once the bytes are there: a slow upload holds no connection.
        let mut db = self.store.connection().await?;
        artifact::insert(&mut db, digest, size).await?;
        // An old one of the same digest may just have been collected, with the bytes that were
        // stored over it.
        if !self.blobs.holds(digest).await? {
            return Err(Error::Busy {
                what: format!("artifact {digest} was collected at this moment"),
                source: None,
            }
            .into());
        }
        tracing::info!(artifact.digest = %digest, size, "artifact stored");
        Ok(Response::new(PutArtifactResponse { size }))
    }

    type GetStream = Reply<ArtifactChunk>;

    async fn get(
        &self,
        request: Request<GetArtifactRequest>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let digest = field("digest", &request.into_inner().digest)?;
        let data = self.blobs.pieces(digest).await?.map_err(Status::from);
        let chunks = data.enumerate().map(move |(i, piece)| {
            // As in `put`, the first chunk alone names it.
            let digest = if i == 0 {
                digest.to_string()
            } else {
                String::new()
            };
            piece.map(|data| ArtifactChunk {
                digest,
                data: data.into(),
            })
        });
        Ok(Response::new(chunks.boxed()))
    }
}
