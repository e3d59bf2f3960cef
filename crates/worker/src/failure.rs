//! How a job ends that is not done.

use groklab_domain::Fault;

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
#[error("{fault}: {reason}")]
pub struct Failure {
    pub fault: Fault,
    pub reason: String,
}

impl Failure {
    /// The job cannot be done as it is.
    pub fn caller(reason: impl std::fmt::Display) -> Self {
        Self {
            fault: Fault::Caller,
            reason: format!("{reason:#}"),
        }
    }

    /// This worker could not do it; another attempt may.
    pub fn infrastructure(reason: impl std::fmt::Display) -> Self {
        Self {
            fault: Fault::Infrastructure,
            reason: format!("{reason:#}"),
        }
    }
}

/// A field of the job that does not parse.
impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        Self::caller(status.message())
    }
}

/// The work was dropped: cancelled, given to another worker, or the worker shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the job was dropped")]
pub struct Cancelled;

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self {
            fault: Fault::Released,
            reason: cancelled.to_string(),
        }
    }
}
