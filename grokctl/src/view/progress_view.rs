//! Something that shows an experiment's progress as it comes.

use groklab_domain::records::{ExperimentUpdate, WorkerRecord};

use crate::failure::Failure;

pub trait ProgressView: Send {
    /// Shows an update, which holds only what was not shown before.
    fn update(&mut self, update: &ExperimentUpdate) -> Result<(), Failure>;
    /// Shows what the workers do at the moment.
    fn workers(&mut self, _workers: &[WorkerRecord]) {}
    /// No more will come.
    fn finish(&mut self);
}
