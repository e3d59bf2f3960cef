//! Collects artifacts that nothing refers to: what a worker stored and never reported. Touches nothing younger than a day.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Scheduler;
use crate::{
    error::{Result, chain},
    store::artifact,
};

const EVERY: Duration = Duration::from_secs(3600);
/// Rows that one transaction keeps locked.
const PAGE: i64 = 100;

impl Scheduler {
    /// Collects now and every hour until `stop`.
    pub async fn collect(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            if let Err(error) = self.collect_once().await {
                tracing::warn!(error = chain(&error), "artifacts were not collected, trying again in an hour");
            }
            if tokio::time::timeout(EVERY, stop.cancelled()).await.is_ok() {
                return Ok(());
            }
        }
    }

    async fn collect_once(&self) -> Result<()> {
        loop {
            let mut tx = self.store.begin().await?;
            let old = artifact::unreferenced(&mut tx, PAGE).await?;
            for digest in &old {
                // The bytes first: a row without bytes would be believed.
                self.blobs.remove(*digest).await?;
            }
            artifact::delete(&mut tx, &old).await?;
            tx.commit().await?;
            if old.is_empty() {
                return Ok(());
            }
            tracing::info!(artifacts = old.len(), "artifacts collected that nothing referred to");
        }
    }
}
