//! Tries a store before anything is begun: whatever is wrong with it shows here, and not hours
//! later in the middle of an experiment.

use anyhow::Context as _;
use object_store::{ObjectStoreExt as _, PutPayload, path::Path as Key};
use uuid::Uuid;

use super::{
    Blobs,
    fault::{Operation, Reach},
};
use crate::error::{Error, Result};

const CONTENT: &[u8] = b"groklab tries its artifacts' store";

impl Blobs {
    /// Writes, reads and removes an object, and begins and discards an upload in parts. Fails with
    /// what is missing, and after half a minute where nobody answers.
    pub async fn check(&self) -> anyhow::Result<()> {
        self.try_everything()
            .await
            .with_context(|| match &self.reach {
                Reach::Folder(folder) => format!(
                    "the artifacts' folder `{}` cannot be used (--artifacts names another)",
                    folder.display()
                ),
                Reach::S3(way) => format!(
                    "artifacts cannot be kept in {} (--artifacts, GROKLAB_ARTIFACTS) at {}, region \
                     {} (AWS_REGION)",
                    way.place, way.endpoint, way.region
                ),
            })
    }

    async fn try_everything(&self) -> Result<()> {
        // Of its own: other coordinators may try the same place at this moment.
        let object = Key::from(format!("probe-{}", Uuid::now_v7()));
        let failed =
            |operation| move |error| self.reach.error(operation, "an object to try it", error);
        // First what is not there: a store that answers this as forbidden would later seem to
        // forbid what is merely missing. The bytes are asked for, as only then S3 gives reasons.
        match self.store.get(&object).await {
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(Operation::Find)(error)),
            Ok(_) => {
                return Err(Error::broken(
                    "the store holds an object that nobody stored",
                ));
            }
        }
        let put = self.store.put(&object, CONTENT.into()).await;
        put.map_err(failed(Operation::Put))?;
        let found = self.store.get(&object).await;
        let found = found.map_err(failed(Operation::Get))?.bytes().await;
        if found.map_err(failed(Operation::Get))? != CONTENT {
            return Err(Error::broken(
                "the store returns other bytes than it was given",
            ));
        }
        self.try_upload(&object).await?;
        let removed = self.store.delete(&object).await;
        removed.map_err(failed(Operation::Remove))
    }

    async fn try_upload(&self, object: &Key) -> Result<()> {
        let failed =
            |operation| move |error| self.reach.error(operation, "an object to try it", error);
        let begun = self.store.put_multipart(object).await;
        let mut upload = begun.map_err(failed(Operation::Put))?;
        let sent = upload.put_part(PutPayload::from(CONTENT)).await;
        let discarded = upload.abort().await;
        sent.map_err(failed(Operation::Put))?;
        discarded.map_err(failed(Operation::Abandon))
    }
}
