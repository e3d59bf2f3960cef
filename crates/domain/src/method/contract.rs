//! What the loop asks of a method. It knows problems, samples, verdicts and code; tensors are the
//! training worker's.

use serde::{Deserialize, Serialize};

use crate::{experiment::Train, words::words};

words! {
    /// What the training worker minimises over the examples it is given.
    pub enum Objective {
        /// The negative log-likelihood of the completion's tokens, each times its example's weight,
        /// over the sum of the weights.
        Likelihood = "likelihood",
    }
}

/// Which rollouts of an iteration a method chooses from. Those that were cut at `max_new_tokens`
/// are never among them: training would put an end token where the model wrote none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// None: nothing is rolled out.
    Empty,
    /// Those that passed every visible and hidden case.
    Correct,
}

/// A judged rollout, as a method sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgedRollout<'a> {
    /// The problem's ordinal.
    pub problem: u32,
    pub sample: u32,
    pub code: &'a str,
}

/// A rollout that is trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chosen {
    /// Its place among those that were offered.
    pub place: usize,
    /// What its tokens count, finite.
    pub weight: f32,
}

/// A way to train. Pure: what it chooses depends on its arguments alone.
pub trait Method: Send + Sync {
    /// Which rollouts [`Method::choose`] is offered; [`Pool::Empty`]: iterations have no rollouts
    /// and no training.
    fn pool(&self) -> Pool;

    /// What is trained on, in the order of the training set. `rollouts` are those of the pool, by
    /// problem, sample and iteration.
    fn choose(&self, settings: &Train, rollouts: &[JudgedRollout<'_>]) -> Vec<Chosen>;

    fn objective(&self) -> Objective;

    /// Whether rollouts carry the log-probability of each of their tokens.
    fn wants_token_logprobs(&self) -> bool {
        false
    }

    /// What it does, for people, to follow the model's name in a sentence.
    fn describe(&self) -> &'static str;

    /// Its settings in one line; starts with its word.
    fn describe_settings(&self, settings: &Train) -> String;

    /// Whether iterations roll out and train.
    fn trains(&self) -> bool {
        self.pool() != Pool::Empty
    }
}
