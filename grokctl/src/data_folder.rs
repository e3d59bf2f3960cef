//! The data folder's layout: where everything that runs on one machine keeps its state.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{failure::Failure, url::url_from_text};

/// The names of the two tokens' files.
pub const CLIENT_TOKEN: &str = "client";
pub const WORKER_TOKEN: &str = "worker";

/// The folder in which everything that runs on this machine keeps its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// `path` made absolute; need not exist.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        // Components run in other folders.
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
        let text = fs::read_to_string(self.address_file()).ok()?;
        url_from_text(&text)
    }

    /// Records `url` for the commands that come after.
    pub fn record_url(&self, url: &str) -> io::Result<()> {
        fs::write(self.address_file(), format!("{url}\n"))
    }
}
