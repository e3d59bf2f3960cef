//! The words that `train.method` takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// How the model is trained.
    #[derive(JsonSchema)]
    pub enum MethodName {
        /// Rejection-sampling fine-tuning: on the rollouts that passed every case.
        Rft = "rft",
        /// Not at all: evaluation only.
        None = "none",
    }
}
