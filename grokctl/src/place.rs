//! The data folder's layout, and where the coordinator is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use groklab_runtime::connect::Access;

use crate::{failure::Failure, up::Lock};

/// The names of the two tokens' files.
pub const CLIENT_TOKEN: &str = "client";
pub const WORKER_TOKEN: &str = "worker";

/// Where a coordinator listens when nothing else is known.
pub const DEFAULT_PORT: u16 = 7070;

/// The folder in which everything that runs on this machine keeps its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// `path` made absolute; need not exist.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let absolute = std::path::absolute(path);
        absolute.map(Self).map_err(|error| {
            Failure::usage(format!("use the data folder `{}`", path.display())).because(error)
        })
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The coordinator's address, kept so that a restart reuses the port.
    pub fn address_file(&self) -> PathBuf {
        self.0.join("address")
    }

    /// Held while something runs in this folder.
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("up.lock")
    }

    pub fn log_file(&self, component: &str) -> PathBuf {
        self.0.join("logs").join(format!("{component}.log"))
    }

    /// The token of one side, made where others can reach the coordinator.
    pub fn token_file(&self, side: &str) -> PathBuf {
        self.0.join("tokens").join(side)
    }

    /// Makes the folder and its `logs`.
    pub fn create(&self) -> Result<(), Failure> {
        fs::create_dir_all(self.0.join("logs")).map_err(|error| {
            Failure::other(format!("create the data folder `{}`", self.0.display()))
                .because(error)
                .next("choose another with --data DIR")
        })
    }

    /// The address recorded last, as a URL.
    pub fn recorded_url(&self) -> Option<String> {
        fs::read_to_string(self.address_file())
            .ok()
            .and_then(|text| url_of(&text))
    }

    /// Records `url` for the commands that come after.
    pub fn record_url(&self, url: &str) -> io::Result<()> {
        fs::write(self.address_file(), format!("{url}\n"))
    }
}

/// Which coordinator to ask: the one named, else the one that runs in `data`, else the default port on this machine.
pub fn coordinator_url(named: Option<&str>, data: &DataFolder) -> String {
    let running = || {
        data.recorded_url()
            .filter(|_| Lock::is_held(&data.lock_file()))
    };
    named
        .and_then(url_of)
        .or_else(running)
        .unwrap_or_else(|| format!("http://127.0.0.1:{DEFAULT_PORT}"))
}

/// What is shown to the coordinator at `url`: the token given; else that of the data folder, if it is this folder's coordinator. Nobody
/// else is shown it.
pub fn access(
    args: &groklab_runtime::connect::Args,
    data: &DataFolder,
    url: &str,
) -> Result<Access, Failure> {
    let own = data.recorded_url().is_some_and(|recorded| recorded == url);
    args.access(own.then(|| data.token_file(CLIENT_TOKEN)))
        .map_err(|error| {
            Failure::usage("prepare access to the coordinator")
                .because(crate::failure::chain(&error))
        })
}

/// A URL from `http://host:port` or `host:port`; `None` when there is nothing.
pub fn url_of(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    match text {
        "" => None,
        _ if text.contains("://") => Some(text.to_owned()),
        _ => Some(format!("http://{text}")),
    }
}

/// The port that a URL ends with.
pub fn port_of(url: &str) -> Option<u16> {
    url.rsplit_once(':')
        .and_then(|(_, port)| port.trim_end_matches('/').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinator_is_named_recorded_or_default() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path()).unwrap();
        assert_eq!(coordinator_url(None, &data), "http://127.0.0.1:7070");
        data.record_url("http://127.0.0.1:4242").unwrap();
        assert_eq!(
            coordinator_url(None, &data),
            "http://127.0.0.1:7070",
            "nothing runs there"
        );
        let lock = Lock::take(&data).unwrap();
        assert_eq!(coordinator_url(None, &data), "http://127.0.0.1:4242");
        assert_eq!(coordinator_url(Some("box:99"), &data), "http://box:99");
        drop(lock);
        assert_eq!(
            (port_of("http://[::1]:80/"), port_of("http://h")),
            (Some(80), None)
        );
    }
}
