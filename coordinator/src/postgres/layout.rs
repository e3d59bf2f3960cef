//! Where an own Postgres lives: its binaries, folders and account. Makes folders; starts nothing.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Uid, User, geteuid};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use uuid::Uuid;

use super::Error;

/// The longest path of a socket's folder: 107 bytes less the socket's own name.
const LONGEST_SOCKET_FOLDER: usize = 107 - "/.s.PGSQL.5432.lock".len();
/// Names the socket; nothing listens on this port.
const PORT: u16 = 5432;

/// The unprivileged account that Postgres runs as when the coordinator is root.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    pub uid: Uid,
    pub gid: Gid,
}

/// Where one own Postgres lives.
#[derive(Debug, Clone)]
pub struct Layout {
    pub binaries: PathBuf,
    /// Postgres' data folder.
    pub cluster: PathBuf,
    /// Folder of the Unix socket, entered by its owner alone.
    pub socket: PathBuf,
    pub log: PathBuf,
    /// None: the coordinator's own.
    pub account: Option<Account>,
    /// False: faster, but a power cut may lose data. For tests alone.
    pub durable: bool,
}

impl Layout {
    /// Decides where the Postgres of the data folder `data` lives, and makes its folders. As root,
    /// a data folder that the unprivileged account cannot reach is replaced by one in
    /// /var/lib/groklab, named by an id that the data folder holds: what lies there is never taken
    /// for a new data folder's.
    pub fn prepare(data: &Path) -> Result<Self, Error> {
        let binaries = find_binaries().ok_or(Error::NoBinaries)?;
        let account = if geteuid().is_root() {
            Some(unprivileged()?)
        } else {
            None
        };
        fs::create_dir_all(data).map_err(file("create", data))?;
        // Its path is compared with the one in the server's lock file, and passed to a process that
        // runs elsewhere.
        let data = data.canonicalize().map_err(file("find", data))?;
        let id = &identity(&data)?;
        let home = match account {
            Some(_) if !reachable(&data) => {
                let elsewhere = Path::new("/var/lib/groklab").join(id);
                tracing::info!(data = %data.display(), postgres = %elsewhere.display(), "Postgres \
                    cannot reach the data folder, its files lie elsewhere");
                fs::create_dir_all(&elsewhere).map_err(file("create", &elsewhere))?;
                elsewhere
            }
            _ => data,
        };
        let home = home.join("postgres");
        // A socket's path has a small limit in the kernel, and data folders may lie deep.
        let nested = home.join("socket");
        let socket = if nested.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
            nested
        } else {
            PathBuf::from(format!("/tmp/groklab-{id}"))
        };
        private_folder(&home, account)?;
        private_folder(&socket, account)?;
        Ok(Self {
            binaries,
            cluster: home.join("cluster"),
            socket,
            log: home.join("log"),
            account,
            durable: true,
        })
    }

    /// How to connect to `database`.
    pub fn connect(&self, database: &str) -> PgConnectOptions {
        // The user's password file is for other servers.
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket)
            .port(PORT)
            .username("groklab")
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// The settings of the server beside what initdb wrote.
    pub fn settings(&self) -> Vec<String> {
        [
            format!("port={PORT}"),
            // Nothing on the network: whoever may enter the socket's folder may connect.
            "listen_addresses=".to_owned(),
            format!("unix_socket_directories={}", self.socket.display()),
            "unix_socket_permissions=0700".to_owned(),
            "shared_buffers=64MB".to_owned(),
            "max_connections=64".to_owned(),
            "max_wal_size=512MB".to_owned(),
            "jit=off".to_owned(),
            // The log goes to standard error, which is the file that `spawn` opened.
            "logging_collector=off".to_owned(),
            format!("fsync={}", if self.durable { "on" } else { "off" }),
        ]
        .into()
    }
}

/// The random id of a data folder, written into it the first time. The caller has the folder to
/// itself.
fn identity(data: &Path) -> Result<String, Error> {
    let path = data.join("postgres.id");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let id = text.trim();
            let whole = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
            if whole {
                Ok(id.to_owned())
            } else {
                Err(Error::NotAnId { path })
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let id = Uuid::new_v4().simple().to_string();
            let half = path.with_extension("new");
            fs::write(&half, format!("{id}\n")).map_err(file("write", &half))?;
            fs::rename(&half, &path).map_err(file("write", &path))?;
            Ok(id)
        }
        Err(error) => Err(file("read", &path)(error)),
    }
}

/// The folder of `initdb` and `postgres`.
pub(super) fn find_binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, path)| path.join("initdb").exists() && path.join("postgres").exists())
        .collect();
    // By version as a number: 9 comes before 16. The newest is taken.
    found.sort();
    let in_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    };
    found.pop().map(|(_, path)| path).or_else(in_path)
}

/// Whom Postgres runs as when the coordinator is root.
pub(super) fn unprivileged() -> Result<Account, Error> {
    let user = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| User::from_name(name).ok().flatten());
    user.map(|user| Account {
        uid: user.uid,
        gid: user.gid,
    })
    .ok_or(Error::NoAccount)
}

/// Whether everybody may pass through every folder down to `path`.
fn reachable(path: &Path) -> bool {
    path.ancestors()
        .all(|folder| fs::metadata(folder).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0))
}

/// Makes a folder that only its owner enters; one that is there already must be so.
fn private_folder(path: &Path, account: Option<Account>) -> Result<(), Error> {
    let owner = account.map_or_else(geteuid, |account| account.uid);
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => chown(
            path,
            Some(owner.as_raw()),
            account.map(|account| account.gid.as_raw()),
        )
        .map_err(file("give away", path)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // A link is not followed: in /tmp anybody may have put one there.
            let meta = fs::symlink_metadata(path).map_err(file("look at", path))?;
            let private = meta.is_dir()
                && meta.uid() == owner.as_raw()
                && meta.permissions().mode() & 0o077 == 0;
            if private {
                Ok(())
            } else {
                Err(Error::NotOurs {
                    path: path.to_owned(),
                    uid: meta.uid(),
                })
            }
        }
        Err(error) => Err(file("create", path)(error)),
    }
}

pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::File {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_data_folder_has_an_id_of_its_own_and_keeps_it() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = identity(one.path()).unwrap();
        assert_eq!(identity(one.path()).unwrap(), id);
        assert_ne!(identity(other.path()).unwrap(), id);
        fs::write(one.path().join("postgres.id"), "../..").unwrap();
        assert!(matches!(identity(one.path()), Err(Error::NotAnId { .. })));
    }
}
