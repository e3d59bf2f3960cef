//! Collects artifacts that nothing refers to: what a worker stored and never reported, and what was
//! let go. Touches nothing younger than a day.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::reconcile::Scheduler;
use crate::{
    error::{Error, Result, chain},
    store::artifact,
};

const COLLECT_EVERY: Duration = Duration::from_secs(3600);
/// Listing a store takes a request for each thousand artifacts.
const ADOPT_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Rows that one transaction keeps locked.
const ROWS_PER_TRANSACTION: i64 = 100;

impl Scheduler {
    /// Collects every hour until `stop`. After a start it first waits for one lease's length, so
    /// that workers who outlived the coordinator can report what they have stored.
    pub async fn collect(self, stop: CancellationToken) -> anyhow::Result<()> {
        let (mut wait, mut adopt_after) = (self.lease, Instant::now());
        while tokio::time::timeout(wait, stop.cancelled()).await.is_err() {
            wait = COLLECT_EVERY;
            if Instant::now() >= adopt_after {
                match self.adopt().await {
                    Ok(()) => adopt_after = Instant::now() + ADOPT_EVERY,
                    Err(error) => tracing::warn!(
                        error = chain(&error),
                        "artifacts without rows were not looked for, trying again in an hour"
                    ),
                }
            }
            if let Err(error) = self.collect_once().await {
                tracing::warn!(
                    error = chain(&error),
                    "artifacts were not collected, trying again in an hour"
                );
            }
        }
        Ok(())
    }

    /// Pages through what nothing refers to; a page whose bytes cannot be removed stays for the
    /// next time.
    async fn collect_once(&self) -> Result<()> {
        // Each page begins behind the last one, so every row is looked at once, whatever becomes of
        // it.
        let (mut after, mut outcome) = (String::new(), Ok(()));
        loop {
            let mut tx = self.store.begin().await?;
            let old = artifact::unreferenced(&mut tx, &after, ROWS_PER_TRANSACTION).await?;
            let Some(last) = old.last() else {
                return outcome;
            };
            after.clone_from(last);
            // Asked once more under the locks: a reference may have been committed after the page
            // was read.
            let collected = artifact::delete(&mut tx, &old).await?;
            // Under the rows' locks: a call that stores the same bytes meanwhile waits for them,
            // then finds the bytes gone and says so.
            match self.blobs.remove_all(&collected).await {
                Ok(()) => {
                    tx.commit().await?;
                    for digest in collected {
                        tracing::info!(artifact.digest = %digest, "artifact collected: nothing \
                            referred to it");
                    }
                }
                Err(error @ Error::Busy { .. }) => return Err(error),
                Err(error) => {
                    tx.rollback().await?;
                    outcome = Err(error);
                }
            }
        }
    }
}
