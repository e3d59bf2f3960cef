//! The command line of worker-train.

use std::path::PathBuf;

/// Trains LoRA adapters for a Groklab coordinator.
#[derive(Debug, clap::Parser)]
#[command(name = "worker-train", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Work for a coordinator until told to stop.
    #[command(after_help = "Example:\n  worker-train work --coordinator http://127.0.0.1:7070")]
    Work(Work),
}

#[derive(Debug, clap::Args)]
pub struct Work {
    #[command(flatten)]
    pub worker: groklab_worker::Args,
    /// Folder in which models fetched by their hub id are kept; by default the one that other Hugging Face software uses.
    #[arg(long, env = "GROKLAB_MODELS", default_value_os_t = groklab_model::default_cache())]
    pub models: PathBuf,
}
