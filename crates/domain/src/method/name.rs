//! The words that `train.method` takes.

use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// How the model is trained. `none`: evaluation only.
    pub enum MethodName {
        Rft = "rft",
        None = "none",
    }
}
