//! Where an experiment's records are read from. Whatever draws or counts them asks this trait, so
//! that it works on a coordinator's database and on an exported folder alike.

use super::outcomes::Outcomes;
use super::problem::ProblemLine;
use super::rollout::{RolloutFilter, RolloutLine};
use crate::Split;
use crate::experiment::Experiment;
use crate::metrics::{IterationLine, MetricsLine};

/// One experiment's records. Problems and rollouts are visited one by one, in the order of their
/// files: there may be more of them than memory holds.
pub trait ExperimentSource: Sync {
    type Error: std::error::Error + Send + Sync + 'static;

    /// What was run, all defaults filled in.
    fn config(&self) -> impl Future<Output = Result<Experiment, Self::Error>> + Send;

    /// In order of iteration.
    fn metrics(&self) -> impl Future<Output = Result<Vec<MetricsLine>, Self::Error>> + Send;

    /// In order of iteration.
    fn iterations(&self) -> impl Future<Output = Result<Vec<IterationLine>, Self::Error>> + Send;

    fn problems(
        &self,
        split: Split,
        visit: &mut (dyn FnMut(ProblemLine) + Send),
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn rollouts(
        &self,
        filter: &RolloutFilter,
        visit: &mut (dyn FnMut(RolloutLine) + Send),
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// What became of each problem of a split in one evaluation.
    fn outcomes(
        &self,
        iteration: u32,
        split: Split,
    ) -> impl Future<Output = Result<Outcomes, Self::Error>> + Send {
        async move {
            let mut outcomes = Outcomes::default();
            let filter = RolloutFilter::evaluation(iteration, split);
            self.rollouts(&filter, &mut |line| outcomes.count_line(&line))
                .await?;
            Ok(outcomes)
        }
    }
}
