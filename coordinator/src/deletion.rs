//! Beginning to delete an experiment; `scheduler/delete.rs` carries it out.

use groklab_domain::{
    ExperimentState::{Cancelled, Deleting},
    records::ExperimentRecord,
};

use crate::{
    error::{Error, Result},
    queries::experiment_record,
    service::Service,
    store::{self, experiment, job},
};

impl Service {
    /// Marks an experiment that has ended as one that is being deleted. One that goes on is
    /// refused, or with `cancel` cancelled first. Returns it as it is then: it may soon be gone.
    pub async fn delete_experiment(&self, name: &str, cancel: bool) -> Result<ExperimentRecord> {
        let mut tx = self.store.begin().await?;
        let id = experiment::resolve(&mut tx, name).await?;
        let mut experiment = experiment::lock_wait(&mut tx, id).await?;
        if experiment.state == Deleting {
            return experiment_record(&mut tx, id).await;
        }
        if !experiment.state.is_final() {
            if !cancel {
                return Err(Error::Conflict(format!(
                    "experiment {id} is {}: cancel it first, or ask for both at once",
                    experiment.state
                )));
            }
            experiment::set_state(&mut tx, &experiment, Cancelled, "").await?;
            experiment.state = Cancelled;
        }
        // Of a completed one as well: with its fences grown no result of it is taken any more.
        job::cancel(&mut tx, id, None).await?;
        experiment::set_state(&mut tx, &experiment, Deleting, "").await?;
        store::notify(&mut tx).await?;
        let record = experiment_record(&mut tx, id).await?;
        tx.commit().await?;
        self.nudge.all();
        Ok(record)
    }
}
