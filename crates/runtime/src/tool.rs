//! The frame of a command that works alone: it reads its input whole, says once what failed, and ends with a documented exit code.

use std::{
    io::{self, Read as _, Write},
    process::ExitCode,
};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{process::USAGE, shutdown};

/// The exit codes, for `--help`.
pub const EXIT_CODES: &str = "Exit codes:\n  0  done\n  1  it could not be done here and now: memory, disk, network, a closed output, a loss that is not a number\n  \
                              2  the command line, or a file that it names or reads, cannot be used: nothing was begun\n  130  interrupted";

/// Why a command did not do its work.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// The command line, or a file that it names or reads, cannot be used; trying again will not help.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, error: error.into() }
    }

    /// Anything else.
    pub fn other(error: impl Into<anyhow::Error>) -> Self {
        Self { code: 1, error: error.into() }
    }

    /// The user asked to stop; `left` says what is left of the work.
    pub fn interrupted(left: &str) -> Self {
        Self { code: shutdown::INTERRUPTED as u8, error: anyhow::anyhow!("interrupted; {left}") }
    }
}

/// Runs a command to its exit code.
pub fn run(name: &str, work: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(format_args!("{name}: error: {:#}", failure.error));
            ExitCode::from(failure.code)
        }
    }
}

/// A line on stderr. Where even that is closed there is nobody to tell.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Everything on stdin. Ctrl-C ends the process as long as this waits.
pub fn stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    match io::stdin().lock().read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::other(anyhow::Error::new(error).context("read stdin"))),
    }
}

/// Turns SIGINT and SIGTERM into something that work asks for between its steps; a second signal ends the process at once.
pub struct Stop {
    token: CancellationToken,
    _signals: Runtime,
}

impl Stop {
    /// From here on signals no longer end the process by themselves.
    pub fn on_signals() -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::other(anyhow::Error::new(error).context("watch for signals"));
        let signals = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
        let token = signals.block_on(async { shutdown::token() }).map_err(failed)?;
        Ok(Self { token, _signals: signals })
    }

    /// Whether to stop.
    pub fn asked(&self) -> bool {
        self.token.is_cancelled()
    }
}

/// A reader that has gone away, or a full disk behind stdout.
pub fn output(error: io::Error) -> Failure {
    Failure::other(anyhow::Error::new(error).context("write to stdout"))
}

/// The most memory that this process has held, in MB (10⁶ bytes); `None` where the kernel does not say.
pub fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse::<f64>().ok()?;
    Some((kibibytes * 1024.0 / 1e5).round() / 10.0)
}
