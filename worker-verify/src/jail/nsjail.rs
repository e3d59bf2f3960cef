//! The cold path: one nsjail and one interpreter per candidate. Starts it, watches its pipes, its CPU and its clock, ends it,
//! and reports. Trusts nothing that comes out, and leaves nothing behind.
//!
//! How a candidate ended is read in nsjail's log, which the candidate can't reach: nsjail's exit status shows a signal and a
//! status above 128 alike. A SIGKILL that no limit explains came from outside (the policy lets no candidate send one), even if
//! the machine ran out of memory because of the candidate: nothing here could tell.

use std::{
    fs::File,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Read as _, Seek as _},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::jail::arguments::{Descriptors, arguments};
use crate::jail::cgroup::{self, Cgroups, Group};
use crate::jail::process::{self, Usage};
use crate::jail::python::Interpreter;
use crate::jail::watch::{Clock, KEPT_OUTPUT, START_LIMIT, Watch};
use crate::sandbox::{Ended, InfrastructureError, Raw, Request, Sandbox};
use crate::wire::frame::Nonce;

/// The program for one candidate in an interpreter of its own.
pub(crate) const COLD: &str = concat!(
    include_str!("inside/runner.py"),
    "\n",
    include_str!("inside/cold.py")
);
/// How long nsjail gets to end its jail in order before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// Memory in a candidate's control group that is not its own: nsjail's, the interpreter's and the scratch folder's, bytes.
const OURS: u64 = 32 << 20;
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
    pub(crate) cgroups: Arc<dyn Cgroups>,
}

impl Nsjail {
    /// Finds out what the jail needs. Proves nothing yet: that is the self-test's duty.
    ///
    /// # Errors
    /// If there is no nsjail or the interpreter does not answer.
    pub fn new(config: &Config) -> Result<Self, InfrastructureError> {
        let path = config
            .nsjail
            .canonicalize()
            .map_err(|_| InfrastructureError::NoNsjail(config.nsjail.clone()))?;
        Ok(Self {
            path,
            python: Interpreter::inspect(&config.python)?,
            cgroups: cgroup::find().into(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Sandbox for Nsjail {
    fn run(&self, request: &Request<'_>) -> Result<Raw, InfrastructureError> {
        let mut jail = Jail::start(self, request, new_nonce())?;
        let stopped = jail
            .watch(request)
            .map_err(|error| InfrastructureError::System("watch the jail", error))?;
        if stopped.is_some() {
            jail.stop();
        }
        jail.finish(request, stopped)
    }
}

/// A nonce that no candidate can guess.
pub(crate) fn new_nonce() -> Nonce {
    RandomState::new().build_hasher().finish().to_le_bytes()
}

/// A started nsjail. Dropping it ends and reaps it.
struct Jail {
    pid: i32,
    pidfd: OwnedFd,
    log: File,
    watch: Watch,
    reaped: bool,
    group: Group,
}

/// nsjail, the runner and what the candidate starts, together.
struct TreeClock<'a>(i32, &'a Group);

impl Clock for TreeClock<'_> {
    fn used(&self) -> Duration {
        self.1.cpu().unwrap_or_else(|| process::tree_cpu(self.0))
    }

    fn at_first_step(&self, runner: Duration) -> Duration {
        process::cpu_clock(self.0).unwrap_or_default() + runner
    }
}

impl Jail {
    fn start(
        sandbox: &Nsjail,
        request: &Request<'_>,
        nonce: Nonce,
    ) -> Result<Self, InfrastructureError> {
        let system =
            |what: &'static str| move |error: io::Error| InfrastructureError::System(what, error);
        let input = process::sealed_file(&request.encode(&nonce))
            .map_err(system("make the request file"))?;
        let log = process::scratch_file().map_err(system("make the log file"))?;
        let (watch, writers) = Watch::new(nonce).map_err(system("make the pipes"))?;
        let mut group = sandbox
            .cgroups
            .create()
            .map_err(system("make a control group"))?;
        group
            .begin(request.limits.memory_bytes + OURS)
            .map_err(system("limit the control group"))?;
        let entrances: Vec<RawFd> = group
            .entrances
            .iter()
            .map(|file| file.as_raw_fd())
            .collect();
        let errors = writers
            .output
            .try_clone()
            .map_err(system("make the pipes"))?;
        let fds = Descriptors {
            passed: writers.results.as_raw_fd(),
            log: log.as_raw_fd(),
        };
        let mut command = Command::new(&sandbox.path);
        command
            .args(arguments(&sandbox.python, COLD, &request.limits, fds))
            .env_clear()
            .process_group(0);
        command
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(writers.output))
            .stderr(Stdio::from(errors));
        let prepare = move || {
            process::inherit(fds.passed)?;
            process::inherit(fds.log)?;
            process::forbid_core_files();
            process::limit_waiting_signals();
            process::die_with_parent(libc::SIGTERM)?;
            process::go_first();
            entrances
                .iter()
                .try_for_each(|entrance| process::enter(*entrance))
        };
        // SAFETY: between fork and exec the closure makes system calls on integers and constants and allocates nothing.
        unsafe { command.pre_exec(prepare) };
        let child = command
            .spawn()
            .map_err(|source| InfrastructureError::Start {
                path: sandbox.path.clone(),
                source,
            })?;
        let pid = i32::try_from(child.id()).expect("process ids are positive 32-bit numbers");
        let pidfd = process::pidfd(pid).map_err(system("open the jail's pidfd"))?;
        Ok(Self {
            pid,
            pidfd,
            log,
            watch,
            reaped: false,
            group,
        })
    }

    /// Reads until the jail has ended (`None`) or must be ended.
    fn watch(&mut self, request: &Request<'_>) -> io::Result<Option<Ended>> {
        self.watch.until_end(
            self.pidfd.as_fd(),
            request,
            &TreeClock(self.pid, &self.group),
        )
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

    fn finish(
        mut self,
        request: &Request<'_>,
        stopped: Option<Ended>,
    ) -> Result<Raw, InfrastructureError> {
        let (status, usage) = process::reap(self.pid)
            .map_err(|error| InfrastructureError::System("reap the jail", error))?;
        self.reaped = true;
        let Some(began) = self.watch.began else {
            let ended = match stopped {
                Some(limit) => limit,
                None if self.group.killed() => Ended::MemoryLimit,
                None => match self.candidate_ended(status) {
                    Err(InfrastructureError::NoEnd { .. }) => ended(status),
                    ended => ended?,
                },
            };
            return self.never_began(ended, usage);
        };
        let cpu = self
            .group
            .cpu()
            .unwrap_or_default()
            .max(usage.cpu)
            .saturating_sub(began.before);
        let ended = match stopped {
            Some(limit) => limit,
            None if self.group.killed() => Ended::MemoryLimit,
            None => match self.candidate_ended(status)? {
                _ if cpu > request.limits.cpu => Ended::CpuLimit,
                _ if began.at.elapsed() > request.limits.wall() => Ended::WallLimit,
                Ended::Signalled(libc::SIGKILL) => {
                    return Err(InfrastructureError::CandidateKilled(libc::SIGKILL));
                }
                other => other,
            },
        };
        Ok(Raw {
            ended,
            nonce: self.watch.nonce,
            results: std::mem::take(&mut self.watch.received),
            cpu,
            wall: began.at.elapsed(),
            peak_memory_bytes: usage.peak_memory_bytes.max(self.group.peak().unwrap_or(0)),
        })
    }

    fn never_began(&self, ended: Ended, usage: Usage) -> Result<Raw, InfrastructureError> {
        match ended {
            Ended::Cancelled => Ok(Raw {
                ended,
                nonce: self.watch.nonce,
                results: Vec::new(),
                cpu: Duration::ZERO,
                wall: self.watch.launched.elapsed(),
                peak_memory_bytes: usage.peak_memory_bytes,
            }),
            Ended::WallLimit => Err(InfrastructureError::Slow(START_LIMIT, self.explanation())),
            Ended::Signalled(libc::SIGKILL) => Err(InfrastructureError::KilledAtStart(
                libc::SIGKILL,
                self.explanation(),
            )),
            ended => Err(InfrastructureError::Setup {
                ended,
                log: self.explanation(),
            }),
        }
    }

    /// How the candidate ended, given the raw wait status of an nsjail that was not stopped from here.
    fn candidate_ended(&self, status: i32) -> Result<Ended, InfrastructureError> {
        if libc::WIFSIGNALED(status) {
            return Err(InfrastructureError::Killed(libc::WTERMSIG(status)));
        }
        let log = read_log(&self.log)
            .map_err(|error| InfrastructureError::System("read the jail's log", error))?;
        logged_end(&log).ok_or_else(|| InfrastructureError::NoEnd {
            status: libc::WEXITSTATUS(status),
            log: self.explanation(),
        })
    }

    fn explanation(&self) -> String {
        explanation(&self.log, &self.watch.kept_output)
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

fn read_log(mut log: &File) -> io::Result<String> {
    let mut text = Vec::new();
    log.rewind()?;
    log.take(LOG_BYTES).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What nsjail complained of and what was printed, on one line.
pub(crate) fn explanation(log: &File, output: &[u8]) -> String {
    let (log, output) = (
        read_log(log).unwrap_or_default(),
        String::from_utf8_lossy(output),
    );
    let complaints = log
        .lines()
        .filter(|line| !line.starts_with("[I]"))
        .chain(output.lines());
    let words: Vec<&str> = complaints.flat_map(str::split_whitespace).collect();
    if words.is_empty() {
        "it left no log".to_owned()
    } else {
        words.join(" ").chars().take(KEPT_OUTPUT).collect()
    }
}

/// How a process ended, by its raw wait status.
pub(crate) fn ended(status: i32) -> Ended {
    if libc::WIFSIGNALED(status) {
        Ended::Signalled(libc::WTERMSIG(status))
    } else {
        Ended::Exited(libc::WEXITSTATUS(status))
    }
}

/// The last word of nsjail's log on its child: `… exited with status: 3, (…` or `… terminated with signal: SIGSYS (31), (…`.
fn logged_end(log: &str) -> Option<Ended> {
    log.lines()
        .rev()
        .filter(|line| line.starts_with("[I]"))
        .find_map(|line| {
            if let Some((_, rest)) = line.rsplit_once(") exited with status: ") {
                return rest.split_once(',')?.0.parse().ok().map(Ended::Exited);
            }
            let (_, rest) = line.rsplit_once(") terminated with signal: ")?;
            rest.split_once(" (")?
                .1
                .split_once(')')?
                .0
                .parse()
                .ok()
                .map(Ended::Signalled)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locate;
    use std::{sync::atomic::AtomicBool, time::Instant};

    const LIMITS: crate::Limits = crate::Limits {
        cpu: Duration::from_secs(10),
        memory_bytes: 256 << 20,
        output_bytes: 1 << 20,
    };

    /// Runs a candidate that sleeps, and does `harm` to its jail once it has begun.
    fn harmed(harm: impl FnOnce(&Jail)) -> InfrastructureError {
        harmed_when(|jail| jail.watch.began.is_some(), harm)
    }

    fn harmed_when(
        is_time: impl Fn(&Jail) -> bool,
        harm: impl FnOnce(&Jail),
    ) -> InfrastructureError {
        let nsjail = std::env::var_os("GROKLAB_NSJAIL").map(PathBuf::from);
        let sandbox = Nsjail::new(&locate(nsjail, None, std::env::var_os("PATH").as_deref()))
            .expect("`make setup` has installed nsjail");
        let never = AtomicBool::new(false);
        let code = b"import time\ntime.sleep(1000)";
        let request = Request {
            code,
            entry: "solve",
            cases: &[],
            limits: LIMITS,
            cancelled: &never,
        };
        let mut jail = Jail::start(&sandbox, &request, *b"test-run").unwrap();
        while !is_time(&jail) {
            let ended = jail
                .watch
                .step(
                    jail.pidfd.as_fd(),
                    Duration::from_millis(1),
                    &request,
                    &TreeClock(jail.pid, &jail.group),
                )
                .unwrap();
            assert!(
                !ended && jail.watch.launched.elapsed() < START_LIMIT,
                "{}",
                jail.explanation()
            );
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
        assert!(
            matches!(error, InfrastructureError::Killed(libc::SIGKILL)),
            "{error}"
        );
        let gone = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_or(true, |stat| stat.contains(") Z "))
        };
        let since = Instant::now();
        while !candidates.iter().all(gone) {
            assert!(
                since.elapsed() < Duration::from_secs(10),
                "the candidate outlives its jail"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(candidates.len(), 1);
    }

    fn kill_children(jail: &Jail) {
        use nix::{sys::signal, unistd::Pid};
        process::children(jail.pid)
            .into_iter()
            .for_each(|pid| signal::kill(Pid::from_raw(pid), signal::SIGKILL).unwrap());
    }

    #[test]
    fn a_candidate_killed_before_it_began_is_told_from_one_killed_later() {
        let runs_python = |pid: &i32| {
            let path = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"python"))
        };
        // It may begin between the look and the kill.
        let errors: Vec<_> = (0..10)
            .map(|_| {
                harmed_when(
                    |jail| process::children(jail.pid).iter().any(runs_python),
                    kill_children,
                )
            })
            .collect();
        assert!(
            errors.iter().all(InfrastructureError::is_a_kill),
            "{errors:?}"
        );
        assert!(
            errors
                .iter()
                .any(|error| matches!(error, InfrastructureError::KilledAtStart(..))),
            "{errors:?}"
        );
    }

    #[test]
    fn a_candidate_killed_from_outside_is_no_verdict() {
        let error = harmed(kill_children);
        assert!(
            matches!(error, InfrastructureError::CandidateKilled(_)),
            "{error}"
        );
        let error = harmed(|jail| process::signal(&jail.pidfd, libc::SIGTERM));
        assert!(
            matches!(error, InfrastructureError::CandidateKilled(_)),
            "{error}"
        );
    }

    #[test]
    fn the_last_end_in_the_log_counts() {
        let log = "[I][now] Mode: STANDALONE_ONCE\n[W][now] pid=1 (x) exited with status: 1, (\n[I][now] pid=7 ([STANDALONE MODE]) ";
        assert_eq!(logged_end(log), None);
        assert_eq!(
            logged_end(&format!("{log}exited with status: 159, (PIDs left: 0)\n")),
            Some(Ended::Exited(159))
        );
        let signal =
            format!("{log}terminated with signal: SIGSYS (31), (PIDs left: 0)\n[I][now] Exiting\n");
        assert_eq!(logged_end(&signal), Some(Ended::Signalled(31)));
    }
}
