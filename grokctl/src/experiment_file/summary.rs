//! What an experiment will cost.

use std::collections::BTreeMap;

use groklab_domain::{Split, experiment::Experiment, grokking::UnitCounts, job::JobCounts};
use groklab_problems::Plan;

/// What an experiment will do, at most: it may stop early.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Problems by family, then split.
    pub problems: BTreeMap<String, BTreeMap<Split, u32>>,
    /// What passes or fails together, of each split: intervals and p-values count these.
    pub units: UnitCounts,
    pub evaluations: u32,
    /// Completions of one evaluation over all splits, greedy and sampled.
    pub rollouts_per_evaluation: u64,
    /// Training completions of one iteration.
    pub rollouts_per_iteration: u64,
    /// Generate, verify and train jobs of the whole experiment.
    pub jobs: u64,
    /// Tokens generated over the whole experiment if every completion took all it may.
    pub tokens_at_most: u64,
}

impl Summary {
    pub fn new(experiment: &Experiment, plan: &Plan) -> Self {
        let jobs = JobCounts::of(experiment, &plan.splits());
        let mut problems: BTreeMap<String, BTreeMap<Split, u32>> = BTreeMap::new();
        for share in plan.shares() {
            let by_split = problems.entry(share.family.to_owned()).or_default();
            by_split.insert(share.split, share.problems);
        }
        Self {
            problems,
            units: plan.units(),
            evaluations: jobs.evaluations,
            rollouts_per_evaluation: jobs.rollouts_per_evaluation,
            rollouts_per_iteration: jobs.rollouts_per_iteration,
            jobs: jobs.jobs,
            tokens_at_most: jobs.rollouts * u64::from(experiment.generate.max_new_tokens),
        }
    }
}
