//! The cold path: one nsjail and one interpreter per candidate. Starts it, watches its pipes, its
//! CPU and its clock, ends it, and reports. Trusts nothing that comes out, and leaves nothing
//! behind.
//!
//! How a candidate ended is read in nsjail's log, since nsjail's exit status shows a signal and a
//! status above 128 alike. A SIGKILL that no limit explains came from outside (the policy lets no
//! candidate send one), even if the machine ran out of memory because of the candidate: nothing
//! here could tell.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    jail::{
        arguments::{Descriptors, arguments},
        cgroup::Group,
        nsjail::Nsjail,
        nsjail_log,
        process::{self, Usage},
        scripts::COLD_PROGRAM,
        watch::{Clock, FirstStep, START_LIMIT, Watch, Writers},
    },
    metrics::RunPath,
    sandbox::{Ended, InfrastructureError, RawRun, Request, Sandbox},
    wire::frame::{Nonce, new_nonce},
};

/// How long nsjail gets to end its jail in order before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Memory in a candidate's control group that is not its own: nsjail's, the interpreter's and the
/// scratch folder's.
const OWN_MEMORY_BYTES: u64 = 32 << 20;

impl Sandbox for Nsjail {
    fn run(&self, request: &Request<'_>) -> Result<RawRun, InfrastructureError> {
        let since = Instant::now();
        let raw = run(self, request);
        self.metrics.observe_run(RunPath::Cold, since.elapsed());
        raw
    }
}

fn run(programs: &Nsjail, request: &Request<'_>) -> Result<RawRun, InfrastructureError> {
    let nonce = new_nonce().map_err(InfrastructureError::during("draw the nonce"))?;
    let mut jail = Jail::start(programs, request, nonce)?;
    let stopped = jail.watch(request);
    let stopped = stopped.map_err(InfrastructureError::during("watch the jail"))?;
    if stopped.is_some() {
        jail.stop();
    }
    jail.finish(request, stopped)
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
struct TreeClock<'a> {
    pid: i32,
    group: &'a Group,
}

impl Clock for TreeClock<'_> {
    fn used(&self) -> Duration {
        match self.group.cpu() {
            Some(used) => used,
            // Without a group the kernel keeps no sum, so the processes are added up.
            None => process::tree_cpu(self.pid),
        }
    }

    fn at_first_step(&self, runner: Duration) -> Duration {
        process::cpu_clock(self.pid).unwrap_or_default() + runner
    }
}

impl Jail {
    fn start(
        programs: &Nsjail,
        request: &Request<'_>,
        nonce: Nonce,
    ) -> Result<Self, InfrastructureError> {
        let input = process::sealed_file(&request.encode(&nonce))
            .map_err(InfrastructureError::during("make the request file"))?;
        let log =
            process::scratch_file().map_err(InfrastructureError::during("make the log file"))?;
        let (watch, writers) =
            Watch::new(nonce).map_err(InfrastructureError::during("make the pipes"))?;
        let group = limited_group(programs, request)?;
        let fds = Descriptors {
            passed: writers.results.as_raw_fd(),
            log: log.as_raw_fd(),
        };
        let mut command = Command::new(programs.path());
        command
            .args(arguments(
                &programs.python,
                &COLD_PROGRAM,
                &request.limits,
                fds,
            ))
            .env_clear()
            // A signal to the worker's group, such as Ctrl-C, must not end a jail.
            .process_group(0)
            .stdin(Stdio::from(input));
        let pid = spawn(programs, command, writers, fds, group.entrances())?;
        let pidfd =
            process::pidfd(pid).map_err(InfrastructureError::during("open the jail's pidfd"))?;
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
        let clock = TreeClock {
            pid: self.pid,
            group: &self.group,
        };
        self.watch.until_end(self.pidfd.as_fd(), request, &clock)
    }

    /// Ends nsjail, which takes the jail's first process and so everything in it along.
    fn stop(&self) {
        process::signal(&self.pidfd, libc::SIGTERM);
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let grace = PollTimeout::try_from(STOP_GRACE).expect("the grace period fits a poll");
        if !matches!(poll(&mut fds, grace), Ok(1)) {
            process::signal(&self.pidfd, libc::SIGKILL);
        }
    }

    fn finish(
        mut self,
        request: &Request<'_>,
        stopped: Option<Ended>,
    ) -> Result<RawRun, InfrastructureError> {
        // Only a reaped process has a final count of what it used.
        let reaped = process::reap(self.pid);
        let (status, usage) = reaped.map_err(InfrastructureError::during("reap the jail"))?;
        self.reaped = true;
        let Some(began) = self.watch.began else {
            let ended = self.end_before_the_beginning(stopped, status)?;
            return self.never_began(ended, usage);
        };
        // The group's clock also has what nobody reaped; without a group there is only what was
        // reaped.
        let all_cpu = self.group.cpu().unwrap_or_default().max(usage.cpu);
        let cpu = all_cpu.saturating_sub(began.before);
        let ended = match stopped {
            Some(limit) => limit,
            None => self.end_after_the_beginning(request, status, began, cpu)?,
        };
        Ok(RawRun {
            ended,
            nonce: self.watch.nonce,
            results: std::mem::take(&mut self.watch.received),
            cpu,
            wall: began.at.elapsed(),
            peak_memory_bytes: usage.peak_memory_bytes.max(self.group.peak().unwrap_or(0)),
        })
    }

    /// How a run ended in which the candidate never took its first step.
    fn end_before_the_beginning(
        &self,
        stopped: Option<Ended>,
        status: i32,
    ) -> Result<Ended, InfrastructureError> {
        if let Some(limit) = stopped {
            return Ok(limit);
        }
        // The kernel chooses whom it kills: that may have been nsjail or the runner.
        if self.group.killed() {
            return Ok(Ended::MemoryLimit);
        }
        match self.candidate_ended(status) {
            // nsjail itself failed, before it had anything to say of a child.
            Err(InfrastructureError::NoEnd { .. }) => Ok(nsjail_log::ended(status)),
            ended => ended,
        }
    }

    /// How a run ended that was not stopped from here, which may have run over its limits unseen.
    fn end_after_the_beginning(
        &self,
        request: &Request<'_>,
        status: i32,
        began: FirstStep,
        cpu: Duration,
    ) -> Result<Ended, InfrastructureError> {
        if self.group.killed() {
            return Ok(Ended::MemoryLimit);
        }
        let ended = self.candidate_ended(status)?;
        // The last look at the clocks may have been just before the limit.
        if cpu > request.limits.cpu {
            return Ok(Ended::CpuLimit);
        }
        if began.at.elapsed() > request.limits.wall() {
            return Ok(Ended::WallLimit);
        }
        match ended {
            Ended::Signalled(libc::SIGKILL) => {
                Err(InfrastructureError::CandidateKilled(libc::SIGKILL))
            }
            other => Ok(other),
        }
    }

    fn never_began(&self, ended: Ended, usage: Usage) -> Result<RawRun, InfrastructureError> {
        let log = self.explanation();
        match ended {
            Ended::Cancelled => Ok(self.watch.cancelled(usage.peak_memory_bytes)),
            Ended::WallLimit => Err(InfrastructureError::Slow(START_LIMIT, log)),
            Ended::Signalled(libc::SIGKILL) => {
                Err(InfrastructureError::KilledAtStart(libc::SIGKILL, log))
            }
            ended => Err(InfrastructureError::Setup { ended, log }),
        }
    }

    /// How the candidate ended, given the raw wait status of an nsjail that was not stopped from
    /// here.
    fn candidate_ended(&self, status: i32) -> Result<Ended, InfrastructureError> {
        if libc::WIFSIGNALED(status) {
            return Err(InfrastructureError::Killed(libc::WTERMSIG(status)));
        }
        let log = nsjail_log::read(&self.log)
            .map_err(InfrastructureError::during("read the jail's log"))?;
        match nsjail_log::logged_end(&log) {
            Some(ended) => Ok(ended),
            None => Err(InfrastructureError::NoEnd {
                status: libc::WEXITSTATUS(status),
                log: self.explanation(),
            }),
        }
    }

    fn explanation(&self) -> String {
        nsjail_log::explanation(&self.log, &self.watch.kept_output)
    }
}

/// A control group for one candidate. It is new, so what nsjail and the interpreter take counts
/// too.
fn limited_group(programs: &Nsjail, request: &Request<'_>) -> Result<Group, InfrastructureError> {
    let group = programs.cgroups.create();
    let mut group = group.map_err(InfrastructureError::during("make a control group"))?;
    group
        .begin(request.limits.memory_bytes + OWN_MEMORY_BYTES)
        .map_err(InfrastructureError::during("limit the control group"))?;
    Ok(group)
}

/// Starts nsjail in the group behind `entrances`, with its output and errors to the pipe; returns
/// its process id.
fn spawn(
    programs: &Nsjail,
    mut command: Command,
    writers: Writers,
    fds: Descriptors,
    entrances: Vec<RawFd>,
) -> Result<i32, InfrastructureError> {
    let errors = writers.output.try_clone();
    let errors = errors.map_err(InfrastructureError::during("make the pipes"))?;
    command
        .stdout(Stdio::from(writers.output))
        .stderr(Stdio::from(errors));
    let prepare = move || {
        // Everything else was opened to be closed by exec.
        process::inherit(fds.passed)?;
        process::inherit(fds.log)?;
        process::forbid_core_files();
        process::limit_waiting_signals();
        // On SIGTERM nsjail ends its child first; a SIGKILL would leave that to the kernel.
        process::die_with_parent(libc::SIGTERM)?;
        // When the machine runs out of memory, the candidate must go before the worker.
        process::go_first();
        for entrance in &entrances {
            process::enter(*entrance)?;
        }
        Ok(())
    };
    // `entrances` was allocated before the fork and is only read after it.
    // SAFETY: between fork and exec the closure makes system calls on integers and constants and
    // allocates nothing.
    unsafe { command.pre_exec(prepare) };
    programs.spawn(&mut command)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{jail::locate, sandbox::Limits};
    use std::{path::PathBuf, sync::atomic::AtomicBool};

    const LIMITS: Limits = Limits {
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
        let config = locate(nsjail, None, std::env::var_os("PATH").as_deref());
        let sandbox = Nsjail::new(&config).expect("`make setup` has installed nsjail");
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
                    &TreeClock {
                        pid: jail.pid,
                        group: &jail.group,
                    },
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
}
