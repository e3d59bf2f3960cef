//! A Postgres of the coordinator's own: system binaries, one Unix socket, no port, never as root.
//! It survives its coordinator, which adopts it again; it knows nothing of what is stored.

mod doctor;
mod layout;
mod server;

pub use doctor::examine;
pub use layout::Layout;
pub use server::Server;

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no Postgres found in /usr/lib/postgresql or in PATH: apt-get install postgresql, or name \
            a server with --database-url"
    )]
    NoBinaries,
    #[error("root, and neither user `postgres` nor `nobody` exists to run Postgres as")]
    NoAccount,
    #[error("{what} `{path}`")]
    File {
        what: &'static str,
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("`{path}` belongs to user {uid} or can be entered by others: remove it")]
    NotOurs { path: std::path::PathBuf, uid: u32 },
    #[error(
        "`{path}` does not hold 32 hex digits: restore it, it names where this data folder's \
            Postgres lies"
    )]
    NotAnId { path: std::path::PathBuf },
    #[error("{program} failed: {output}")]
    Program {
        program: &'static str,
        output: String,
    },
    #[error("Postgres did not come up within {seconds} s; its log `{log}` ends with: {tail}")]
    NotReady {
        seconds: u64,
        log: std::path::PathBuf,
        tail: String,
    },
    #[error("connect to Postgres")]
    Connect(#[from] sqlx::Error),
}
