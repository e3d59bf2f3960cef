//! Carries out deletions: takes a few rows at a time of every experiment that is being deleted.
//! Holds no state of its own, so a coordinator that dies is replaced by any other.

use groklab_domain::{ExperimentId, ExperimentState};
use tokio_util::sync::CancellationToken;

use super::reconcile::{RECHECK_EVERY, RETRY_AFTER_ERROR, Scheduler};
use crate::{
    error::{Error, Result, chain},
    store::{self, deletion, experiment},
};

/// About as many rows go in one transaction: a fraction of a second's work.
const ROWS_PER_TRANSACTION: u32 = 5_000;

/// What became of a turn.
enum Turn {
    /// There is more to delete.
    More,
    Gone,
    /// Another coordinator is at it.
    Held,
}

impl Scheduler {
    /// Deletes what is to be deleted until `stop`.
    pub async fn delete(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut nudged = self.nudge.on_state();
        while !stop.is_cancelled() {
            nudged.mark_unchanged();
            let wait = match self.delete_all(&stop).await {
                Ok(()) => RECHECK_EVERY,
                Err(error) => {
                    tracing::error!(error = chain(&error), "deleting failed, trying again");
                    RETRY_AFTER_ERROR
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                _ = nudged.changed() => {}
            }
        }
        Ok(())
    }

    async fn delete_all(&self, stop: &CancellationToken) -> Result<()> {
        let mut connection = self.store.connection().await?;
        let ids = deletion::begun(&mut connection).await?;
        drop(connection);
        for id in ids {
            while !stop.is_cancelled() {
                match self.delete_some(id).await? {
                    Turn::More => {}
                    Turn::Held => break,
                    Turn::Gone => {
                        tracing::info!(experiment.id = %id, "experiment deleted");
                        self.nudge.all();
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    async fn delete_some(&self, id: ExperimentId) -> Result<Turn> {
        let mut tx = self.store.begin().await?;
        let Some(experiment) = experiment::lock(&mut tx, id).await? else {
            return Ok(Turn::Held);
        };
        if experiment.state != ExperimentState::Deleting {
            return Err(Error::broken(format!("experiment {id} came back")));
        }
        let gone = deletion::delete_some(&mut tx, id, ROWS_PER_TRANSACTION).await?;
        if gone {
            store::notify(&mut tx).await?;
        }
        tx.commit().await?;
        Ok(if gone { Turn::Gone } else { Turn::More })
    }
}
