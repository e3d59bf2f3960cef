//! What can go wrong, in five classes that map once to a gRPC status. Internal errors are logged
//! here in full and sent without detail.

use std::io::ErrorKind;

use groklab_domain::text::shortened;
use tonic::{Code, Status};

/// Characters of a message that is sent. It travels in a header of HTTP/2, where a character takes
/// up to twelve bytes, and clients accept 16 KiB.
const MAX_MESSAGE_CHARS: usize = 1_000;

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
    Busy {
        what: String,
        source: Option<sqlx::Error>,
    },
    /// Ours: a person should look.
    #[error("{what}")]
    Internal {
        what: String,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn missing(what: &'static str, name: impl ToString) -> Self {
        Self::Missing {
            what,
            name: name.to_string(),
        }
    }

    /// An internal error that has a source.
    pub fn internal(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal {
            what: what.into(),
            source: Some(source.into()),
        }
    }

    /// Something stored or computed that cannot be.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::Internal {
            what: what.into(),
            source: None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(db) = &error
            && let Some(constraint) = db.constraint()
            // Two calls stored the same thing at once: the other one has won.
            && db.is_unique_violation()
        {
            return Self::Conflict(format!("stored already: {constraint}"));
        }
        // Not Busy: neither of these two is mended by trying again.
        if let sqlx::Error::Tls(_) = &error {
            return Self::internal(NO_TLS, error);
        }
        if let sqlx::Error::Protocol(_) = &error {
            return Self::internal(
                "what answers does not speak Postgres' protocol as it should",
                error,
            );
        }
        let code = error
            .as_database_error()
            .and_then(|db| db.code())
            .unwrap_or_default();
        let what = match (&error, &*code) {
            // rustls' errors come as invalid data.
            (sqlx::Error::Io(io), _) if io.kind() == ErrorKind::InvalidData => BROKEN_TLS,
            (sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_), _) => {
                "the database does not answer"
            }
            // PgBouncer's words; it has no code of its own for this.
            (_, PROTOCOL) if error.to_string().contains("startup parameter") => {
                return Self::internal(SETTING, error);
            }
            (_, PROTOCOL) => "the database, or a pooler before it, ended the connection",
            (_, DISK_FULL) => {
                "the database's disk is full: make room there, and everything goes on by itself"
            }
            (_, code) if is_transient(code) => "the database is busy, stopping or starting",
            _ => return Self::internal("the database refused", error),
        };
        Self::Busy {
            what: what.to_owned(),
            source: Some(error),
        }
    }
}

const NO_TLS: &str = "no TLS with the database, and sslmode asks for it: turn it on at the server, \
    or use sslmode=disable where the network is \
    yours alone";
const BROKEN_TLS: &str = "TLS with the database fails: sslrootcert names whom to trust, and \
    verify-full wants the URL's host in the certificate";
const SETTING: &str = "a pooler before the database refuses a setting: leave out the `options` of \
    the database URL, or PGOPTIONS, or set it at \
    the server";
/// SQLSTATE of a breach of the protocol; PgBouncer uses it for whatever it refuses.
const PROTOCOL: &str = "08P01";
/// SQLSTATE of a write for which there was no room.
const DISK_FULL: &str = "53100";

/// Whether what failed with this SQLSTATE may succeed later as it is: a deadlock (40P01), a
/// serialization failure (40001), a lock that was not to be had (55P03), no room for connections,
/// memory or data (class 53), a server or database that stops, crashed, starts or lets nobody in
/// (57P01 to 57P03, 55000), a lost connection (class 08).
fn is_transient(code: &str) -> bool {
    code.starts_with("08")
        || code.starts_with("53")
        || matches!(
            code,
            "40001" | "40P01" | "55000" | "55P03" | "57P01" | "57P02" | "57P03"
        )
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
            // A caller's mistake is no news to an operator; what is ours is.
            Code::Internal => tracing::error!(error = chain(&error), "request failed"),
            Code::Unavailable => tracing::warn!(error = chain(&error), "request failed"),
            _ => tracing::debug!(error = chain(&error), "request refused"),
        }
        Self::new(code, shortened(&error.to_string(), MAX_MESSAGE_CHARS))
    }
}

/// An error and its sources on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_succeed_later_is_told_from_what_is_broken() {
        assert!(
            [
                "40P01", "40001", "57P01", "57P02", "57P03", "53300", DISK_FULL, "55P03", "08006"
            ]
            .into_iter()
            .all(is_transient)
        );
        assert!(
            !["23505", "42P01", "22021", "57014"]
                .into_iter()
                .any(is_transient)
        );
    }
}
