//! The methods there are, by the word that `train.method` has for each.

use serde::{Deserialize, Serialize};

use super::{contract::Method, none::NoTraining, rft::RejectionSampling};
use crate::words::words;

words! {
    /// How the model is trained. `none`: evaluation only.
    pub enum MethodName {
        Rft = "rft",
        None = "none",
    }
}

impl MethodName {
    /// The method of this name.
    pub fn method(self) -> &'static dyn Method {
        match self {
            Self::Rft => &RejectionSampling,
            Self::None => &NoTraining,
        }
    }
}
