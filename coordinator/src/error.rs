//! What can go wrong, in five classes that map once to a gRPC status. Internal errors are logged here in full and sent without detail.

use tonic::{Code, Status};

/// A failed operation of the coordinator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be carried out as it is.
    #[error("{0}")]
    Caller(String),
    /// What the request names does not exist.
    #[error("no {what} `{name}`")]
    Missing { what: &'static str, name: String },
    /// The request contradicts the present state.
    #[error("{0}")]
    Conflict(String),
    /// Trying again later may succeed.
    #[error("{what}")]
    Busy { what: String, source: Option<sqlx::Error> },
    /// Ours: a person should look.
    #[error("{what}")]
    Internal { what: String, source: Option<Box<dyn std::error::Error + Send + Sync>> },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn missing(what: &'static str, name: impl ToString) -> Self {
        Self::Missing { what, name: name.to_string() }
    }

    /// An internal error that has a source.
    pub fn internal(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { what: what.into(), source: Some(source.into()) }
    }

    /// Something stored or computed that cannot be.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::Internal { what: what.into(), source: None }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(db) = &error
            && let Some(constraint) = db.constraint()
            && db.is_unique_violation()
        {
            return Self::Conflict(format!("stored already: {constraint}"));
        }
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
                Self::Busy { what: "the database does not answer".to_owned(), source: Some(error) }
            }
            error => Self::internal("the database refused", error),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Caller(_) => Code::InvalidArgument,
            Error::Missing { .. } => Code::NotFound,
            Error::Conflict(_) => Code::FailedPrecondition,
            Error::Busy { .. } => Code::Unavailable,
            Error::Internal { .. } => Code::Internal,
        };
        match code {
            Code::Internal => tracing::error!(error = chain(&error), "request failed"),
            Code::Unavailable => tracing::warn!(error = chain(&error), "request failed"),
            _ => tracing::debug!(error = chain(&error), "request refused"),
        }
        Self::new(code, error.to_string())
    }
}

/// An error and its sources on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
