//! The parameters that a database URL may have, as libpq names them.

/// The parameters that a URL may have, by libpq's names.
pub(super) const PARAMETERS: [&str; 11] = [
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "options",
    "application_name",
];

/// What separates the parts of a URL, and what people take for it.
pub(super) const STRUCTURE: [char; 6] = ['/', ':', '@', '&', '=', ';'];

/// Known parameters with their values, each once.
pub(super) type Parameters = Vec<(&'static str, String)>;

/// The words that sslmode takes.
pub(super) const MODES: &str =
    "it is one of disable, allow, prefer, require, verify-ca, verify-full";
