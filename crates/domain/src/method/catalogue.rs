//! The method behind each name.

use super::{contract::Method, name::MethodName, none::NoTraining, rft::RejectionSampling};

impl MethodName {
    /// The method of this name.
    pub fn method(self) -> &'static dyn Method {
        match self {
            Self::Rft => &RejectionSampling,
            Self::None => &NoTraining,
        }
    }
}
