//! A large blob on its way into the store, in parts. One that is not finished, because its bytes
//! are wrong or its sender went away, is discarded by a task of its own: nobody waits for that.

use object_store::{MultipartUpload, PutPayload, UploadPart};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel, error::TrySendError},
    task::JoinSet,
};

use super::fault::{Operation, Reach};
use crate::error::chain;

/// What S3 takes for a part at least is 5 MiB, and it takes 10,000 parts.
pub const PART_BYTES: usize = 8 << 20;
/// Parts of one blob that are sent at the same time.
const PARTS_AT_A_TIME: usize = 3;
/// Uploads that wait for their end.
const MAX_ABANDONED: usize = 64;

type Parts = JoinSet<object_store::Result<()>>;

/// An upload, and those of its parts that may still be on their way.
struct Rest {
    upload: Box<dyn MultipartUpload>,
    parts: Parts,
    name: String,
}

/// Takes uploads that nobody finishes.
#[derive(Debug, Clone)]
pub struct Abandon(Sender<Rest>);

/// Ends the uploads that nobody finishes.
#[derive(Debug)]
pub struct Abandoned {
    rests: Receiver<Rest>,
    reach: Reach,
}

/// Both ends.
pub fn abandoned(reach: Reach) -> (Abandon, Abandoned) {
    let (sender, rests) = channel(MAX_ABANDONED);
    (Abandon(sender), Abandoned { rests, reach })
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").field("name", &self.name).finish()
    }
}

impl Abandoned {
    /// Discards uploads until nobody can begin any.
    pub async fn run(mut self) -> anyhow::Result<()> {
        while let Some(mut rest) = self.rests.recv().await {
            // A part that arrives after the end would stay.
            rest.parts.shutdown().await;
            if let Err(error) = rest.upload.abort().await {
                let error = self.reach.error(Operation::Abandon, &rest.name, error);
                tracing::warn!(
                    error = chain(&error),
                    "parts of an upload stay until a lifecycle rule removes them"
                );
            }
        }
        Ok(())
    }
}

/// An upload that is discarded unless it is finished.
pub struct Upload {
    rest: Option<Rest>,
    abandon: Abandon,
}

impl Upload {
    /// `name` is for messages.
    pub fn new(upload: Box<dyn MultipartUpload>, name: String, abandon: Abandon) -> Self {
        let rest = Some(Rest {
            upload,
            parts: JoinSet::new(),
            name,
        });
        Self { rest, abandon }
    }

    /// Sends a part once fewer than the most are on their way.
    pub async fn send(&mut self, part: PutPayload) -> object_store::Result<()> {
        let Some(rest) = &mut self.rest else {
            return Ok(());
        };
        arrived(&mut rest.parts, PARTS_AT_A_TIME - 1).await?;
        let part: UploadPart = rest.upload.put_part(part);
        rest.parts.spawn(part);
        Ok(())
    }

    /// Makes the blob visible, as a whole.
    pub async fn finish(mut self) -> object_store::Result<()> {
        let Some(rest) = &mut self.rest else {
            return Ok(());
        };
        arrived(&mut rest.parts, 0).await?;
        rest.upload.complete().await?;
        self.rest = None;
        Ok(())
    }
}

/// Waits until at most `most` parts are on their way.
async fn arrived(parts: &mut Parts, most: usize) -> object_store::Result<()> {
    while parts.len() > most {
        if let Some(part) = parts.join_next().await {
            part??;
        }
    }
    Ok(())
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut rest) = self.rest.take() else {
            return;
        };
        rest.parts.abort_all();
        let refused = self.abandon.0.try_send(rest);
        if let Err(TrySendError::Full(rest) | TrySendError::Closed(rest)) = refused {
            tracing::warn!(
                upload = rest.name,
                "parts of an upload stay until a lifecycle rule removes them"
            );
        }
    }
}
