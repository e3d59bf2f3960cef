//! The settings that every worker takes.

use std::{path::PathBuf, time::Duration};

use groklab_domain::{JobKind, WorkerId};

/// Flags of every worker's `work` command.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address of the coordinator; of several that share one database, separated by commas, the next is asked when one does not answer.
    #[arg(long, env = "GROKLAB_COORDINATOR", default_value = "http://127.0.0.1:7070")]
    pub coordinator: String,
    #[command(flatten)]
    pub connect: groklab_runtime::connect::Args,
    /// Folder in which fetched adapters and training sets are kept.
    #[arg(long, env = "GROKLAB_CACHE", default_value_os_t = std::env::temp_dir().join("groklab-cache"))]
    pub cache: PathBuf,
    /// Seconds that a running job may go on after the worker was told to stop; then it is given back.
    #[arg(long, default_value_t = 5)]
    pub grace_seconds: u64,
    /// Seconds without progress after which a job counts as hung and its lease is no longer extended.
    #[arg(long, default_value_t = 900)]
    pub stall_seconds: u64,
}

impl Args {
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }

    pub(crate) fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds)
    }
}

/// Who this worker is, as the coordinator shows it.
#[derive(Debug, Clone)]
pub struct Description {
    pub id: WorkerId,
    pub kind: JobKind,
    /// `cpu`, `cuda:0 NVIDIA H100 bf16`, …
    pub device: String,
    pub threads: u32,
}
