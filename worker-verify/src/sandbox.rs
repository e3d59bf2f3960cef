//! What running a candidate takes and gives, whatever isolates it. An implementation reports what
//! it saw and judges nothing; `judge` makes the verdict.

use std::{path::PathBuf, sync::atomic::AtomicBool, time::Duration};

use groklab_domain::Value;

use crate::wire::{
    encode::{length_prefix, write_blob, write_sequence},
    frame::Nonce,
};

/// CPU time below this is no time for an interpreter to do anything.
const MIN_CPU: Duration = Duration::from_millis(10);
const MAX_CPU: Duration = Duration::from_secs(3600);
/// With less memory the interpreter itself may not start.
const MIN_MEMORY_BYTES: u64 = 64 << 20;
const MAX_MEMORY_BYTES: u64 = 64 << 30;

/// What one candidate may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// CPU time of the candidate and everything it starts, counted from its first step. The limit
    /// that counts.
    pub cpu: Duration,
    /// Address space of each process, bytes; the interpreter itself needs about 30 MB of it.
    pub memory_bytes: u64,
    /// Bytes to standard output and standard error together.
    pub output_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(2),
            memory_bytes: 256 << 20,
            output_bytes: 1 << 20,
        }
    }
}

impl Limits {
    /// Refuses limits that nobody can mean.
    ///
    /// # Errors
    /// The limit, its value and the range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        if !(MIN_CPU..=MAX_CPU).contains(&self.cpu) {
            return Err(OutOfRange {
                what: "CPU time",
                value: format!("{:?}", self.cpu),
                range: "10 ms to 1 h",
            });
        }
        if !(MIN_MEMORY_BYTES..=MAX_MEMORY_BYTES).contains(&self.memory_bytes) {
            return Err(OutOfRange {
                what: "memory",
                value: format!("{} MiB", self.memory_bytes >> 20),
                range: "64 MiB to 64 GiB",
            });
        }
        Ok(())
    }

    /// The backstop on elapsed time: five times the CPU limit, at least a second.
    pub fn wall(&self) -> Duration {
        // A machine that is busy with other work gives a run only a part of its time.
        (self.cpu * 5).max(Duration::from_secs(1))
    }
}

/// A limit nobody can mean.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} limit {value} is not within {range}")]
pub struct OutOfRange {
    what: &'static str,
    value: String,
    range: &'static str,
}

/// One candidate to run: nothing in it says what is expected.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub code: &'a [u8],
    pub entry: &'a str,
    /// The arguments of each case, in order.
    pub cases: &'a [&'a [Value]],
    pub limits: Limits,
    /// Once this is true, the run is broken off.
    pub cancelled: &'a AtomicBool,
}

impl Request<'_> {
    /// The bytes the runner reads: the nonce, then entry, code, the number of cases, and each
    /// case's arguments as one tuple, all as `length (u32) | bytes`.
    pub fn encode(&self, nonce: &Nonce) -> Vec<u8> {
        let mut out = nonce.to_vec();
        write_blob(self.entry.as_bytes(), &mut out);
        write_blob(self.code, &mut out);
        write_blob(&length_prefix(self.cases.len()), &mut out);
        for case in self.cases {
            // The runner calls the function with the items of this tuple.
            let mut arguments = Vec::new();
            write_sequence(b'P', case, &mut arguments);
            write_blob(&arguments, &mut out);
        }
        out
    }
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The first process exited with this status.
    Exited(i32),
    /// A signal ended the first process.
    Signalled(i32),
    /// The kernel killed it for using more memory, all its processes together, than allowed.
    MemoryLimit,
    /// It used more CPU time than allowed.
    CpuLimit,
    /// It took more elapsed time than allowed.
    WallLimit,
    /// It wrote more than allowed to its output or its results.
    OutputLimit,
    /// The caller broke it off.
    Cancelled,
}

/// What was seen of one run.
#[derive(Debug, Clone)]
pub struct RawRun {
    pub ended: Ended,
    pub nonce: Nonce,
    /// What came out of the result pipe; see `frame`.
    pub results: Vec<u8>,
    /// CPU time since the candidate's first step.
    pub cpu: Duration,
    /// Elapsed time since the candidate's first step.
    pub wall: Duration,
    /// Largest resident size of any one process of the run (`ru_maxrss`), not their sum. A process
    /// starts as a copy of its parent, so it is never less than what that (cold: the worker, warm:
    /// the zygote) occupied when it forked. With a control group, at least what the kernel counted
    /// for all processes together beyond what was in use before.
    pub peak_memory_bytes: u64,
}

/// The sandbox itself failed, or was ended from outside: says nothing about the candidate.
#[derive(Debug, thiserror::Error)]
pub enum InfrastructureError {
    #[error("no nsjail at `{}`; set GROKLAB_NSJAIL or run `make setup`", .0.display())]
    NoNsjail(PathBuf),
    #[error(
        "no Python at `{}`: apt-get install python3, or name one that every user can read with \
         GROKLAB_PYTHON",
        .0.display()
    )]
    NoPython(PathBuf),
    #[error("python at `{}` does not answer: {reason}", path.display())]
    Python { path: PathBuf, reason: String },
    #[error("start `{}`", path.display())]
    Start {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0}")]
    System(&'static str, #[source] std::io::Error),
    #[error("the jail ended before the candidate began ({ended:?}): {log}")]
    Setup { ended: Ended, log: String },
    #[error("signal {0} from outside ended the run before the candidate began: {1}")]
    KilledAtStart(i32, String),
    #[error("the jail did not start within {0:?}: {1}")]
    Slow(Duration, String),
    #[error("the zygote does not do its work: {0}")]
    Zygote(String),
    #[error("signal {0} ended the jail from outside")]
    Killed(i32),
    #[error("signal {0}, which no candidate can send, ended the candidate from outside")]
    CandidateKilled(i32),
    #[error("nsjail exited with status {status} and did not say how the candidate ended: {log}")]
    NoEnd { status: i32, log: String },
}

impl InfrastructureError {
    /// For `map_err`: what was being done when a system call failed.
    pub fn during<E: Into<std::io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::System(what, error.into())
    }

    /// Whether the run was ended from outside, so that the candidate deserves another.
    pub fn is_a_kill(&self) -> bool {
        matches!(
            self,
            Self::KilledAtStart(..) | Self::Killed(_) | Self::CandidateKilled(_)
        )
    }
}

/// Runs candidates in isolation. One candidate a call; calls from many threads at once are fine.
pub trait Sandbox: Send + Sync {
    /// Runs one candidate to its end or to a limit. Returns `Ok` only if the runner inside was up
    /// and everything that happened afterwards was the candidate's doing; `Ended::Cancelled` is
    /// possible before that too.
    ///
    /// # Errors
    /// Whatever kept the candidate from beginning, or ended it from outside.
    fn run(&self, request: &Request<'_>) -> Result<RawRun, InfrastructureError>;

    /// Another sandbox that is to run `code` too before it counts as passed; for most code none.
    /// Depends on nothing but `code`.
    fn second_opinion(&self, _code: &[u8]) -> Option<&dyn Sandbox> {
        None
    }
}
