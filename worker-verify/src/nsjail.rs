//! The cold path: one nsjail and one interpreter per candidate. Starts it, watches its pipes, its CPU and its clock, ends it,
//! and reports. Trusts nothing that comes out, and leaves nothing behind.
//!
//! How a candidate ended is read in nsjail's log, which the candidate can't reach: nsjail's exit status shows a signal and a
//! status above 128 alike. A SIGKILL that no limit explains came from outside (the first process of a pid namespace can't send
//! itself one), even if the machine ran out of memory because of the candidate: nothing here could tell.

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
/// Output, and log, kept to explain a jail that failed.
const KEPT_OUTPUT: usize = 2000;
/// Most bytes of nsjail's log that are read; it writes about 4 KiB.
const LOG_BYTES: u64 = 1 << 20;

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
        let Some(began) = self.began else {
            return self.never_began(stopped.unwrap_or_else(|| ended(status)), usage);
        };
        let cpu = usage.cpu.saturating_sub(began.cpu);
        let ended = match stopped {
            Some(limit) => limit,
            None => match self.candidate_ended(status)? {
                _ if cpu > request.limits.cpu => Ended::CpuLimit,
                _ if began.at.elapsed() > request.limits.wall() => Ended::WallLimit,
                Ended::Signalled(libc::SIGKILL) => return Err(InfrastructureError::CandidateKilled(libc::SIGKILL)),
                other => other,
            },
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

    /// How the candidate ended, given the raw wait status of an nsjail that was not stopped from here.
    fn candidate_ended(&mut self, status: i32) -> Result<Ended, InfrastructureError> {
        if libc::WIFSIGNALED(status) {
            return Err(InfrastructureError::Killed(libc::WTERMSIG(status)));
        }
        let log = self.read_log().map_err(|error| InfrastructureError::System("read the jail's log", error))?;
        logged_end(&log).ok_or_else(|| InfrastructureError::NoEnd { status: libc::WEXITSTATUS(status), log: self.explanation() })
    }

    fn read_log(&mut self) -> io::Result<String> {
        let mut log = Vec::new();
        self.log.rewind()?;
        (&self.log).take(LOG_BYTES).read_to_end(&mut log)?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// What nsjail complained of and the runner printed, on one line.
    fn explanation(&mut self) -> String {
        let log = self.read_log().unwrap_or_default();
        let output = String::from_utf8_lossy(&self.kept_output);
        let complaints = log.lines().filter(|line| !line.starts_with("[I]")).chain(output.lines());
        let words: Vec<&str> = complaints.flat_map(str::split_whitespace).collect();
        if words.is_empty() { "it left no log".to_owned() } else { words.join(" ").chars().take(KEPT_OUTPUT).collect() }
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

/// How nsjail itself ended.
fn ended(status: i32) -> Ended {
    if libc::WIFSIGNALED(status) { Ended::Signalled(libc::WTERMSIG(status)) } else { Ended::Exited(libc::WEXITSTATUS(status)) }
}

/// The last word of nsjail's log on its child: `… exited with status: 3, (…` or `… terminated with signal: SIGSYS (31), (…`.
fn logged_end(log: &str) -> Option<Ended> {
    log.lines().rev().filter(|line| line.starts_with("[I]")).find_map(|line| {
        if let Some((_, rest)) = line.rsplit_once(") exited with status: ") {
            return rest.split_once(',')?.0.parse().ok().map(Ended::Exited);
        }
        let (_, rest) = line.rsplit_once(") terminated with signal: ")?;
        rest.split_once(" (")?.1.split_once(')')?.0.parse().ok().map(Ended::Signalled)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locate;
    use std::sync::atomic::AtomicBool;

    const LIMITS: crate::Limits = crate::Limits { cpu: Duration::from_secs(10), memory_bytes: 256 << 20, output_bytes: 1 << 20 };

    /// Runs a candidate that sleeps, and does `harm` to its jail once it has begun.
    fn harmed(harm: impl FnOnce(&Jail)) -> InfrastructureError {
        let nsjail = std::env::var_os("GROKLAB_NSJAIL").map(PathBuf::from);
        let sandbox = Nsjail::new(&locate(nsjail, None, std::env::var_os("PATH").as_deref())).expect("`make setup` has installed nsjail");
        let never = AtomicBool::new(false);
        let code = b"import time\ntime.sleep(1000)";
        let request = Request { code, entry: "solve", cases: &[], limits: LIMITS, cancelled: &never };
        let mut jail = Jail::start(&sandbox, &request, *b"test-run").unwrap();
        while jail.began.is_none() {
            jail.wait(true, false, Duration::from_millis(50)).unwrap();
            assert!(jail.read_results().unwrap() && jail.launched.elapsed() < START_LIMIT, "{}", jail.explanation());
        }
        harm(&jail);
        let stopped = jail.watch(&request).unwrap();
        jail.finish(&request, stopped).unwrap_err()
    }

    #[test]
    fn an_nsjail_killed_from_outside_is_no_verdict() {
        let mut candidates = Vec::new();
        let error = harmed(|jail| {
            candidates = process::children(jail.pid);
            process::signal(&jail.pidfd, libc::SIGKILL);
        });
        assert!(matches!(error, InfrastructureError::Killed(libc::SIGKILL)), "{error}");
        let gone = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        let since = Instant::now();
        while !candidates.iter().all(gone) {
            assert!(since.elapsed() < Duration::from_secs(10), "the candidate outlives its jail");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(candidates.len(), 1);
    }

    #[test]
    fn a_candidate_killed_from_outside_is_no_verdict() {
        let kill = |pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
        let error = harmed(|jail| process::children(jail.pid).into_iter().for_each(kill));
        assert!(matches!(error, InfrastructureError::CandidateKilled(_)), "{error}");
        let error = harmed(|jail| process::signal(&jail.pidfd, libc::SIGTERM));
        assert!(matches!(error, InfrastructureError::CandidateKilled(_)), "{error}");
    }

    #[test]
    fn the_last_end_in_the_log_counts() {
        let log = "[I][now] Mode: STANDALONE_ONCE\n[W][now] pid=1 (x) exited with status: 1, (\n[I][now] pid=7 ([STANDALONE MODE]) ";
        assert_eq!(logged_end(log), None);
        assert_eq!(logged_end(&format!("{log}exited with status: 159, (PIDs left: 0)\n")), Some(Ended::Exited(159)));
        let signal = format!("{log}terminated with signal: SIGSYS (31), (PIDs left: 0)\n[I][now] Exiting\n");
        assert_eq!(logged_end(&signal), Some(Ended::Signalled(31)));
    }
}
