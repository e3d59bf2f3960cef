//! The cold path: one nsjail and one interpreter per candidate. Starts it, watches its pipes, its CPU and its clock, ends it,
//! and reports. Trusts nothing that comes out, and leaves nothing behind.

use std::{
    fs::File,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Read as _, Seek as _},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    arguments::{Descriptors, arguments},
    frame::{self, Nonce},
    process::{self, Usage},
    python::Interpreter,
    sandbox::{Ended, InfrastructureError, Raw, Request, Sandbox},
};

const RUNNER: &str = include_str!("runner.py");
/// How long the jail may take until the runner is up, however busy the machine is.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long nsjail gets to end its jail in order before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// Most bytes of results accepted from one run.
const RESULT_BYTES: usize = 8 << 20;
/// Output kept to explain a jail that did not start.
const KEPT_OUTPUT: usize = 2000;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Config {
    pub nsjail: PathBuf,
    pub python: PathBuf,
}

/// One jail per candidate.
#[derive(Debug, Clone)]
pub struct Nsjail {
    path: PathBuf,
    pub python: Interpreter,
}

impl Nsjail {
    /// Finds out what the jail needs. Proves nothing yet: that is the self-test's duty.
    ///
    /// # Errors
    /// If there is no nsjail or the interpreter does not answer.
    pub fn new(config: &Config) -> Result<Self, InfrastructureError> {
        let path = config.nsjail.canonicalize().map_err(|_| InfrastructureError::NoNsjail(config.nsjail.clone()))?;
        Ok(Self { path, python: Interpreter::inspect(&config.python)? })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Sandbox for Nsjail {
    fn run(&self, request: &Request<'_>) -> Result<Raw, InfrastructureError> {
        let nonce = RandomState::new().build_hasher().finish().to_le_bytes();
        let mut jail = Jail::start(self, request, nonce)?;
        let stopped = jail.watch(request).map_err(|error| InfrastructureError::System("watch the jail", error))?;
        if stopped.is_some() {
            jail.stop();
        }
        jail.finish(request, stopped)
    }
}

/// A started nsjail. Dropping it ends and reaps it.
struct Jail {
    pid: i32,
    pidfd: OwnedFd,
    results: File,
    output: File,
    log: File,
    nonce: Nonce,
    received: Vec<u8>,
    output_bytes: u64,
    kept_output: Vec<u8>,
    launched: Instant,
    began: Option<Began>,
    reaped: bool,
}

/// The moment of the candidate's first step.
#[derive(Clone, Copy)]
struct Began {
    at: Instant,
    /// CPU time that nsjail and the runner had used by then.
    cpu: Duration,
}

impl Jail {
    fn start(sandbox: &Nsjail, request: &Request<'_>, nonce: Nonce) -> Result<Self, InfrastructureError> {
        let system = |what: &'static str| move |error: io::Error| InfrastructureError::System(what, error);
        let input = process::sealed_file(&request.encode(&nonce)).map_err(system("make the request file"))?;
        let log = process::scratch_file().map_err(system("make the log file"))?;
        let (results, results_writer) = process::pipe().map_err(system("make the result pipe"))?;
        let (output, output_writer) = process::pipe().map_err(system("make the output pipe"))?;
        let errors_writer = output_writer.try_clone().map_err(system("make the output pipe"))?;
        let fds = Descriptors { results: results_writer.as_raw_fd(), log: log.as_raw_fd() };
        let mut command = Command::new(&sandbox.path);
        command.args(arguments(&sandbox.python, RUNNER, &request.limits, fds)).env_clear().process_group(0);
        command.stdin(Stdio::from(input)).stdout(Stdio::from(output_writer)).stderr(Stdio::from(errors_writer));
        let prepare = move || {
            process::inherit(fds.results)?;
            process::inherit(fds.log)?;
            process::die_with_parent(libc::SIGTERM)
        };
        // SAFETY: between fork and exec the closure makes three system calls on integers and allocates nothing.
        unsafe { command.pre_exec(prepare) };
        let launched = Instant::now();
        let child = command.spawn().map_err(|source| InfrastructureError::Start { path: sandbox.path.clone(), source })?;
        let pid = i32::try_from(child.id()).expect("process ids are positive 32-bit numbers");
        let pidfd = process::pidfd(pid).map_err(system("open the jail's pidfd"))?;
        Ok(Self {
            pid,
            pidfd,
            results,
            output,
            log,
            nonce,
            received: Vec::new(),
            output_bytes: 0,
            kept_output: Vec::new(),
            launched,
            began: None,
            reaped: false,
        })
    }

    /// Reads until the jail has ended (`None`) or must be ended.
    fn watch(&mut self, request: &Request<'_>) -> io::Result<Option<Ended>> {
        let (mut results_open, mut output_open) = (true, true);
        loop {
            let [results, output, ended] = self.wait(results_open, output_open, self.tick(request))?;
            if output || ended {
                output_open = self.read_output(request.limits.output_bytes)?;
            }
            if results || ended {
                results_open = self.read_results()?;
            }
            if self.output_bytes > request.limits.output_bytes || self.received.len() > RESULT_BYTES {
                return Ok(Some(Ended::OutputLimit));
            }
            if ended {
                return Ok(None);
            }
            if let Some(limit) = self.over(request) {
                return Ok(Some(limit));
            }
        }
    }

    /// How long to wait before looking at the clocks again: half of what is left, so that no limit is overrun by much.
    fn tick(&self, request: &Request<'_>) -> Duration {
        let left = self.began.map_or(START_LIMIT, |began| request.limits.cpu.saturating_sub(began.at.elapsed()));
        (left / 2).clamp(Duration::from_millis(5), Duration::from_millis(50))
    }

    /// Waits for something to read or for the jail's end: results, output, ended.
    fn wait(&self, results_open: bool, output_open: bool, timeout: Duration) -> io::Result<[bool; 3]> {
        let sources = [(results_open, self.results.as_fd()), (output_open, self.output.as_fd()), (true, self.pidfd.as_fd())];
        // A closed pipe always reports its hang-up: it is left out, or the loop would spin.
        let mut fds: Vec<_> = sources.iter().filter(|(open, _)| *open).map(|(_, fd)| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        match poll(&mut fds, PollTimeout::try_from(timeout).expect("a tick is at most 50 ms")) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
        Ok(sources.map(|(open, _)| open && ready.next().unwrap_or(false)))
    }

    fn read_output(&mut self, limit: u64) -> io::Result<bool> {
        process::drain(&mut self.output, |chunk| {
            let keep = chunk.len().min(KEPT_OUTPUT.saturating_sub(self.kept_output.len()));
            self.kept_output.extend(&chunk[..keep]);
            self.output_bytes += chunk.len() as u64;
            self.output_bytes <= limit
        })
    }

    fn read_results(&mut self) -> io::Result<bool> {
        let open = process::drain(&mut self.results, |chunk| {
            self.received.extend(chunk);
            self.received.len() <= RESULT_BYTES
        })?;
        if self.began.is_none()
            && let Some(runner) = frame::ready(&self.nonce, &self.received)
        {
            let nsjail = process::cpu_clock(self.pid).unwrap_or_default();
            self.began = Some(Began { at: Instant::now(), cpu: nsjail + runner });
        }
        Ok(open)
    }

    /// The limit that the run is over, if any.
    fn over(&self, request: &Request<'_>) -> Option<Ended> {
        if request.cancelled.load(Ordering::Relaxed) {
            return Some(Ended::Cancelled);
        }
        let Some(began) = self.began else {
            return (self.launched.elapsed() > START_LIMIT).then_some(Ended::WallLimit);
        };
        if began.at.elapsed() > request.limits.wall() {
            return Some(Ended::WallLimit);
        }
        (process::tree_cpu(self.pid).saturating_sub(began.cpu) > request.limits.cpu).then_some(Ended::CpuLimit)
    }

    /// Ends nsjail, which takes the jail's first process and so everything in it along.
    fn stop(&self) {
        process::signal(&self.pidfd, libc::SIGTERM);
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let grace = PollTimeout::try_from(GRACE).expect("the grace period fits a poll");
        if !matches!(poll(&mut fds, grace), Ok(1)) {
            process::signal(&self.pidfd, libc::SIGKILL);
        }
    }

    fn finish(mut self, request: &Request<'_>, stopped: Option<Ended>) -> Result<Raw, InfrastructureError> {
        let (status, usage) = process::reap(self.pid).map_err(|error| InfrastructureError::System("reap the jail", error))?;
        self.reaped = true;
        let ended = stopped.unwrap_or_else(|| ended(status));
        let Some(began) = self.began else {
            return self.never_began(ended, usage);
        };
        let cpu = usage.cpu.saturating_sub(began.cpu);
        let ended = match ended {
            Ended::Exited(_) | Ended::Signalled(_) if cpu > request.limits.cpu => Ended::CpuLimit,
            Ended::Exited(_) | Ended::Signalled(_) if began.at.elapsed() > request.limits.wall() => Ended::WallLimit,
            other => other,
        };
        Ok(Raw {
            ended,
            nonce: self.nonce,
            results: std::mem::take(&mut self.received),
            cpu,
            wall: began.at.elapsed(),
            peak_memory_bytes: usage.peak_memory_bytes,
        })
    }

    fn never_began(&mut self, ended: Ended, usage: Usage) -> Result<Raw, InfrastructureError> {
        match ended {
            Ended::Cancelled => Ok(Raw {
                ended,
                nonce: self.nonce,
                results: Vec::new(),
                cpu: Duration::ZERO,
                wall: self.launched.elapsed(),
                peak_memory_bytes: usage.peak_memory_bytes,
            }),
            Ended::WallLimit => Err(InfrastructureError::Slow(START_LIMIT, self.explanation())),
            ended => Err(InfrastructureError::Setup { ended, log: self.explanation() }),
        }
    }

    /// What nsjail logged and the runner printed, on one line.
    fn explanation(&mut self) -> String {
        let mut log = Vec::new();
        let read = self.log.rewind().and_then(|()| (&self.log).take(KEPT_OUTPUT as u64).read_to_end(&mut log));
        log.extend(&self.kept_output);
        match (read, log.is_empty()) {
            (Ok(_), false) => String::from_utf8_lossy(&log).split_whitespace().collect::<Vec<_>>().join(" "),
            _ => "it left no log".to_owned(),
        }
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        if !self.reaped {
            self.stop();
            // Nothing can be done about a failure here, and none is possible for a child of ours.
            let _ = process::reap(self.pid);
        }
    }
}

/// nsjail exits with its child's status, or 128 and the signal that ended it.
fn ended(status: i32) -> Ended {
    if libc::WIFSIGNALED(status) {
        return Ended::Signalled(libc::WTERMSIG(status));
    }
    match libc::WEXITSTATUS(status) {
        code @ 129..=192 => Ended::Signalled(code - 128),
        code => Ended::Exited(code),
    }
}
