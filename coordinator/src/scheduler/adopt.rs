//! Adopts artifacts whose rows were never written, because a coordinator died between the bytes
//! and the row: they get one, and are collected a day later unless something refers to them by
//! then. Removes nothing itself, so an upload that is under way loses nothing.

use futures::TryStreamExt as _;
use groklab_domain::Digest;

use super::reconcile::Scheduler;
use crate::{error::Result, store::artifact};

/// Artifacts that one statement looks for.
const ARTIFACTS_PER_STATEMENT: usize = 1000;

impl Scheduler {
    /// One look at everything in the store.
    pub(super) async fn adopt(&self) -> Result<()> {
        let unfinished = self.blobs.remove_unfinished().await?;
        if unfinished > 0 {
            tracing::info!(
                unfinished,
                "files of artifacts that were never finished removed"
            );
        }
        let mut pages = self.blobs.all().try_chunks(ARTIFACTS_PER_STATEMENT);
        while let Some(page) = pages.try_next().await.map_err(|error| error.1)? {
            self.adopt_page(&page).await?;
        }
        Ok(())
    }

    async fn adopt_page(&self, page: &[(Digest, u64)]) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let adopted = artifact::adopt(&mut tx, page).await?;
        for &digest in &adopted {
            // Collected since the store was listed, by a transaction that this one waited for: a
            // row without its bytes would say that they are there.
            if !self.blobs.holds(digest).await? {
                artifact::forget(&mut tx, digest).await?;
            }
        }
        tx.commit().await?;
        for digest in adopted {
            tracing::info!(artifact.digest = %digest, "artifact without a row found");
        }
        Ok(())
    }
}
