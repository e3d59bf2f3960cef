//! Why a database URL is not used. Holds nothing of the URL.

use super::parameters::{MODES, PARAMETERS};

/// How a database URL is written.
pub const FORM: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE";

/// Why a database URL is not used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database URL is not of the form {FORM}")]
    Form,
    #[error(
        "the database URL cannot be read as {FORM}; within the user, the password and the database \
            write / ? # @ : % & = ; \
         as %2F %3F %23 %40 %3A %25 %26 %3D %3B"
    )]
    Unreadable,
    #[error(
        "the host in the database URL is neither a name, an address nor a folder: its form is \
            {FORM}"
    )]
    Host,
    #[error("the database URL has a parameter that is not known here; known are \
        {}", PARAMETERS.join(", "))]
    Unknown,
    #[error("the database URL gives `{name}` twice")]
    Twice { name: &'static str },
    #[error("`{name}` in the database URL has a value that cannot be used: {wanted}")]
    Value {
        name: &'static str,
        wanted: &'static str,
    },
    #[error("PGSSLMODE has a value that cannot be used: {}", MODES)]
    Environment,
    #[error(
        "the sslmode in the database URL or PGSSLMODE asks for TLS, and a Unix socket has none and \
            needs none: leave it out"
    )]
    Socket,
    #[error(
        "`{name}` is given for the database, and its sslmode (by default prefer) does not look at \
            it: {wanted}"
    )]
    Unused {
        name: &'static str,
        wanted: &'static str,
    },
    #[error(
        "sslmode=verify-ca for the database needs an sslrootcert: without one the certificate of \
            anybody would do; or use \
         sslmode=verify-full"
    )]
    NoAuthority,
    #[error("sslcert and sslkey for the database go together: one of them is missing")]
    HalfIdentity,
    #[error("read the file that `{name}` names for the database")]
    File {
        name: &'static str,
        source: std::io::Error,
    },
    #[error("the file that `{name}` names for the database holds no {wanted}")]
    Pem {
        name: &'static str,
        wanted: &'static str,
    },
}
