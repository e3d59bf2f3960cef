//! The command line and the environment of `worker-verify`: the only place that reads either.

use std::{env, num::NonZero, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use groklab_worker_verify::{Config, locate, pool};

/// Runs candidates in a sandbox and says what they are worth.
#[derive(Debug, Parser)]
#[command(name = "worker-verify", version)]
pub struct Cli {
    #[command(flatten)]
    pub programs: Programs,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the programs are that the sandbox is made of.
#[derive(Debug, Args)]
pub struct Programs {
    /// nsjail; else the one on PATH, else the one that `make setup` installed
    #[arg(long, env = "GROKLAB_NSJAIL", global = true)]
    nsjail: Option<PathBuf>,
    /// The interpreter inside the sandbox [default: /usr/bin/python3]
    #[arg(long, env = "GROKLAB_PYTHON", global = true)]
    python: Option<PathBuf>,
}

impl Programs {
    pub fn locate(&self) -> Config {
        locate(self.nsjail.clone(), self.python.clone(), env::var_os("PATH").as_deref())
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what isolates on this machine, what is missing, and the fix
    Doctor,
    /// Work for a coordinator until told to stop
    #[command(after_help = "Example:\n  worker-verify work --coordinator http://127.0.0.1:7070")]
    Work {
        #[command(flatten)]
        worker: groklab_worker::Args,
        /// Candidates verified at once [default: one per core]
        #[arg(long)]
        threads: Option<NonZero<usize>>,
    },
    /// Verify candidates from standard input, one JSON object a line, in order
    Check {
        /// Answer with JSON, one object a line
        #[arg(long)]
        json: bool,
        /// Candidates verified at once [default: one per core]
        #[arg(long)]
        threads: Option<NonZero<usize>>,
    },
}

/// `threads`, or as many as there are cores.
pub fn threads(threads: Option<NonZero<usize>>) -> NonZero<usize> {
    threads.unwrap_or_else(pool::all_cores)
}
