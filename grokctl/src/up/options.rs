//! What to bring up, and what came of it.

use std::path::PathBuf;

use groklab_runtime::connect;

use crate::{cli::UpArgs, data_folder::DataFolder};

/// What to bring up, and where.
#[derive(Debug, Clone)]
pub struct StackOptions {
    pub data: DataFolder,
    pub up: UpArgs,
    /// TLS towards the coordinator; its token is the data folder's.
    pub connect: connect::Args,
    /// The port to take where none was recorded and it is free; 0: any.
    pub port: u16,
}

impl StackOptions {
    /// Whether the coordinator can be reached from other machines, and so asks for the data
    /// folder's tokens.
    pub fn is_reachable_by_others(&self) -> bool {
        match self.up.listen {
            // What listens on loopback serves this machine alone.
            Some(address) => !address.ip().is_loopback(),
            None => false,
        }
    }
}

/// A started component, for the person who wants to know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Started {
    pub component: String,
    /// The coordinator's; workers have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub pid: i32,
    pub log: PathBuf,
}
