//! What the loop asks of a method. It knows problems, samples, verdicts and code; tensors are the
//! training worker's.

use serde::{Deserialize, Serialize};

use crate::{
    Verdict,
    experiment::{Experiment, Train},
    seed::ProblemSeed,
    words::words,
};

words! {
    /// What the training worker minimises over the examples it is given.
    pub enum Objective {
        /// The negative log-likelihood of the completion's tokens, each times its example's weight,
        /// over the sum of the weights.
        Likelihood = "likelihood",
    }
}

/// A judged rollout, as a method sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedRollout {
    pub rollout_id: i64,
    /// The problem's ordinal, its seed and its unit.
    pub problem: u32,
    pub problem_seed: ProblemSeed,
    pub unit: String,
    pub iteration: u32,
    pub sample: u32,
    /// It is an evaluation's greedy completion, and none that was sampled to be trained on.
    pub greedy: bool,
    pub verdict: Verdict,
    /// It passed every visible case and failed a hidden one.
    pub shortcut: bool,
    /// What was run; bytes that are not UTF-8 are replaced.
    pub code: String,
}

/// The rollouts that [`Method::choose`] is offered. Those that were cut at `max_new_tokens` are
/// never offered: training would put an end token where the model wrote none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Rollouts with one of these verdicts.
    pub verdicts: &'static [Verdict],
    /// Beside the training rollouts also the greedy completions of the train problems, from the
    /// iterations' evaluations. Then the choice waits for the evaluation.
    pub greedy: bool,
}

/// A rollout that is trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chosen {
    /// Its place among those that were offered.
    pub place: usize,
    /// The ordinal of the problem under whose prompt it is trained on.
    pub problem: u32,
    /// What its tokens count, finite.
    pub weight: f32,
}

/// A way to train. Pure: what it chooses depends on its arguments alone.
pub trait Method: Send + Sync {
    /// Whether iterations roll out and train.
    fn trains(&self) -> bool;

    fn pool(&self, settings: &Train) -> Pool;

    /// What `iteration` is trained on, in the order of the training set. `rollouts` are those of
    /// the pool, by problem, the newest iteration first, and sample.
    fn choose(
        &self,
        config: &Experiment,
        iteration: u32,
        rollouts: &[JudgedRollout],
    ) -> Vec<Chosen>;

    fn objective(&self) -> Objective;

    /// Whether rollouts carry the log-probability of each of their tokens.
    fn wants_token_logprobs(&self) -> bool {
        false
    }

    /// What it does, for people, to follow the model's name in a sentence.
    fn describe(&self, settings: &Train) -> &'static str;

    /// Its settings in one line; starts with its word.
    fn describe_settings(&self, settings: &Train) -> String;
}
