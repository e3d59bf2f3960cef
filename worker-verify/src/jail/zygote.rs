//! One zygote: a warm interpreter in a jail of its own that forks a child per candidate.
//! `zygote.py` is its other end. Starts it, has it run one candidate at a time, and ends it; says
//! afterwards whether it may be used again.
//!
//! On the control socket, a message each way a packet: the zygote says `H` when it is up; an order
//! is three limits (u64) and the scratch folder's options (64 bytes) with four descriptors (the
//! request file, the child's private socket, result pipe, output pipe); the answer to it comes when
//! the child has ended: its wait status (i32), user and system time in microseconds and largest
//! resident size in KiB (u64 each). On its private socket the child says `P` once its limits hold
//! and nothing but these four descriptors is open; only then is the request written, and the answer
//! `G` lets the child read it.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::atomic::AtomicBool,
    time::Duration,
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    jail::{
        arguments,
        cgroup::{Cgroups, Group},
        nsjail::Nsjail,
        nsjail_log,
        packets::{pair, receive, send, wait_for},
        process,
        watch::{Clock, FirstStep, MAX_KEPT_OUTPUT_BYTES, START_LIMIT, Watch},
        zygote_jail::{Jail, JailPipes},
    },
    sandbox::{Ended, InfrastructureError, Limits, RawRun, Request},
    wire::frame::new_nonce,
};

/// How long a killed child may take to be gone, or the zygote to answer, before the whole jail is
/// ended.
const ANSWER_GRACE: Duration = Duration::from_secs(10);
/// The scratch folder's options in an order, padded with zeroes.
const SCRATCH_OPTIONS_BYTES: usize = 64;

/// A started zygote. Dropping it ends and reaps its jail and removes its control group.
pub struct Zygote {
    control: OwnedFd,
    output: File,
    log: File,
    jail: Jail,
    /// The zygote's process id.
    pid: i32,
    group: Group,
    pub runs: u32,
    /// Whether everything so far went as it must.
    pub sound: bool,
}

/// Why a run gave no answer.
pub struct FailedRun {
    pub error: InfrastructureError,
    /// Whether the candidate had not been let in yet, so that another zygote may try.
    pub before_entry: bool,
}

impl Zygote {
    /// Starts one and tries it out.
    pub fn start(programs: &Nsjail, cgroups: &dyn Cgroups) -> Result<Self, InfrastructureError> {
        let log =
            process::scratch_file().map_err(InfrastructureError::during("make the log file"))?;
        let (output, writer) =
            process::pipe().map_err(InfrastructureError::during("make the output pipe"))?;
        let (control, theirs) =
            pair().map_err(InfrastructureError::during("make the control socket"))?;
        let group = cgroups.create();
        let group = group.map_err(InfrastructureError::during("make a control group"))?;
        let pipes = JailPipes {
            control: &theirs,
            output: writer,
            log: &log,
        };
        let jail = Jail::start(programs, pipes, &group)?;
        // Only the jail's copy is left: once that is closed, reading from ours says so.
        drop(theirs);
        let mut zygote = Self {
            control,
            output,
            log,
            jail,
            pid: 0,
            group,
            runs: 0,
            sound: true,
        };
        zygote.greet()?;
        zygote.rehearse()?;
        Ok(zygote)
    }

    /// Waits for the zygote to be up, and finds its process id.
    fn greet(&mut self) -> Result<(), InfrastructureError> {
        // nsjail's only child is the zygote, once it has greeted.
        let greeting = self.answer(START_LIMIT);
        match (greeting, &process::children(self.jail.pid)[..]) {
            (Ok(message), [pid]) if message == b"H" => self.pid = *pid,
            _ => return Err(InfrastructureError::Zygote(self.explanation())),
        }
        Ok(())
    }

    /// A run of nothing: it shows that children can be made here, and leaves the zygote's heap as
    /// every later run finds it.
    fn rehearse(&mut self) -> Result<(), InfrastructureError> {
        let never = AtomicBool::new(false);
        let nothing = Request {
            code: b"",
            entry: "",
            cases: &[],
            limits: Limits::default(),
            cancelled: &never,
        };
        match self.run(&nothing) {
            Err(failed) => Err(failed.error),
            Ok(raw) if raw.ended == Ended::Exited(0) => Ok(()),
            Ok(raw) => Err(InfrastructureError::Setup {
                ended: raw.ended,
                log: self.explanation(),
            }),
        }
    }

    /// Runs one candidate.
    pub fn run(&mut self, request: &Request<'_>) -> Result<RawRun, FailedRun> {
        self.runs += 1;
        // Stays false unless the run goes well to its end.
        self.sound = false;
        let mut run = match self.begin(request) {
            Ok(run) => run,
            Err(error) => {
                return Err(FailedRun {
                    error,
                    before_entry: true,
                });
            }
        };
        match self.finish(&mut run, request) {
            Ok(raw) => Ok(raw),
            Err(error) => Err(FailedRun {
                error,
                before_entry: false,
            }),
        }
    }

    /// Has a child made, and lets the candidate into it.
    fn begin(&mut self, request: &Request<'_>) -> Result<Run, InfrastructureError> {
        self.group
            .begin(request.limits.memory_bytes)
            .map_err(InfrastructureError::during("limit the control group"))?;
        // Drawn before the child is there: only the request, written later, carries it.
        let nonce = new_nonce().map_err(InfrastructureError::during("draw the nonce"))?;
        let file = process::empty_file();
        let file = file.map_err(InfrastructureError::during("make the request file"))?;
        let (mut watch, writers) =
            Watch::new(nonce).map_err(InfrastructureError::during("make the pipes"))?;
        let (private, theirs) =
            pair().map_err(InfrastructureError::during("make the private socket"))?;
        let fds = [
            file.as_raw_fd(),
            theirs.as_raw_fd(),
            writers.results.as_raw_fd(),
            writers.output.as_raw_fd(),
        ];
        if send(&self.control, &order(request), &fds).is_err() {
            return Err(InfrastructureError::Zygote(self.explanation()));
        }
        // The child has its own copies; a pipe reports its end only once ours are closed.
        drop((theirs, writers));
        if !self.is_ready(&private) {
            return Err(self.not_ready(&mut watch));
        }
        let (pid, child) = self
            .child()
            .map_err(InfrastructureError::during("find the child"))?;
        // A candidate that eats all memory must go first, not the zygote or the worker.
        process::prefer_for_killing(pid);
        process::seal(&file, &request.encode(&nonce))
            .map_err(InfrastructureError::during("write the request file"))?;
        // A child that has failed by now is seen as ended before it began.
        let _ = nix::unistd::write(&private, b"G");
        Ok(Run { watch, child, pid })
    }

    /// Waits until the child is ready, or there is none.
    fn is_ready(&self, private: &OwnedFd) -> bool {
        let sources = [private.as_fd(), self.control.as_fd()];
        let [of_child, of_zygote] = wait_for(sources, START_LIMIT).unwrap_or_default();
        let mut message = [0];
        // The zygote has nothing to say before the child has ended.
        of_child
            && !of_zygote
            && nix::unistd::read(private, &mut message) == Ok(1)
            && message == *b"P"
    }

    fn not_ready(&mut self, watch: &mut Watch) -> InfrastructureError {
        // A child that can't isolate itself prints why.
        let _ = watch.read_output(MAX_KEPT_OUTPUT_BYTES as u64);
        let printed = String::from_utf8_lossy(&watch.kept_output);
        let log = format!("{printed} {}", self.explanation());
        InfrastructureError::Zygote(log)
    }

    /// The child, of which there is one at a time: its process id and a pidfd.
    fn child(&self) -> io::Result<(i32, OwnedFd)> {
        let pid = self.only_child()?;
        let pidfd = process::pidfd(pid)?;
        // Process ids are used again: only if it still is the child now, the pidfd is the child's.
        if self.only_child()? == pid {
            Ok((pid, pidfd))
        } else {
            Err(io::Error::other("the zygote has another child"))
        }
    }

    fn only_child(&self) -> io::Result<i32> {
        match process::children(self.pid)[..] {
            [pid] => Ok(pid),
            _ => Err(io::Error::other("the zygote does not have one child")),
        }
    }

    /// Watches the candidate to its end, or ends it at its limit.
    fn finish(
        &mut self,
        run: &mut Run,
        request: &Request<'_>,
    ) -> Result<RawRun, InfrastructureError> {
        let clock = ChildClock {
            pid: run.pid,
            group: &self.group,
        };
        let stopped = run.watch.until_end(self.control.as_fd(), request, &clock);
        let stopped = stopped.map_err(InfrastructureError::during("watch the child"))?;
        if stopped.is_some() {
            // The child is the first process of its pid namespace, so everything it started ends
            // too.
            process::signal(&run.child, libc::SIGKILL);
        }
        let answer = self.answer(ANSWER_GRACE).unwrap_or_default();
        // Only the zygote can reap its child, so nobody else knows how it ended.
        let Some(end) = ChildEnd::read(&answer) else {
            return Err(InfrastructureError::Zygote(self.explanation()));
        };
        let Some(began) = run.watch.began else {
            return self.never_began(run, stopped, &end);
        };
        // What the runner used until the first step is not the candidate's.
        let cpu = end.cpu.saturating_sub(began.runner);
        let ended = match stopped {
            Some(limit) => limit,
            None => self.end_of_its_own(request, &end, began, cpu)?,
        };
        self.sound = true;
        Ok(RawRun {
            ended,
            nonce: run.watch.nonce,
            results: std::mem::take(&mut run.watch.received),
            cpu,
            wall: began.at.elapsed(),
            peak_memory_bytes: end.peak_memory_bytes.max(self.group.peak().unwrap_or(0)),
        })
    }

    /// How a run ended that was not stopped from here, which may have run over its limits unseen.
    fn end_of_its_own(
        &self,
        request: &Request<'_>,
        end: &ChildEnd,
        began: FirstStep,
        cpu: Duration,
    ) -> Result<Ended, InfrastructureError> {
        if cpu > request.limits.cpu {
            return Ok(Ended::CpuLimit);
        }
        if began.at.elapsed() > request.limits.wall() {
            return Ok(Ended::WallLimit);
        }
        // Whichever of its processes the kernel killed.
        if self.group.killed() {
            return Ok(Ended::MemoryLimit);
        }
        if end.ended == Ended::Signalled(libc::SIGKILL) {
            return Err(InfrastructureError::CandidateKilled(libc::SIGKILL));
        }
        Ok(end.ended)
    }

    /// What is said of a run in which the candidate never took its first step.
    fn never_began(
        &mut self,
        run: &Run,
        stopped: Option<Ended>,
        end: &ChildEnd,
    ) -> Result<RawRun, InfrastructureError> {
        let log = nsjail_log::explanation(&self.log, &run.watch.kept_output);
        let ended = match stopped {
            Some(limit) => limit,
            None if self.group.killed() => Ended::MemoryLimit,
            None => end.ended,
        };
        match ended {
            // Nothing went wrong: the zygote may be used again.
            Ended::Cancelled => {
                self.sound = true;
                Ok(run.watch.cancelled(0))
            }
            Ended::WallLimit => Err(InfrastructureError::Slow(START_LIMIT, log)),
            Ended::Signalled(libc::SIGKILL) => {
                Err(InfrastructureError::KilledAtStart(libc::SIGKILL, log))
            }
            ended => Err(InfrastructureError::Setup { ended, log }),
        }
    }

    /// The zygote's next message; an empty one if it is gone.
    fn answer(&self, limit: Duration) -> io::Result<Vec<u8>> {
        match wait_for([self.control.as_fd()], limit)? {
            [true] => receive(&self.control),
            [false] => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// What nsjail and the zygote complained of.
    fn explanation(&mut self) -> String {
        let mut printed = Vec::new();
        let _ = process::drain(&mut self.output, |chunk| {
            printed.extend(chunk);
            printed.len() < MAX_KEPT_OUTPUT_BYTES
        });
        nsjail_log::explanation(&self.log, &printed)
    }

    /// Whether nsjail is still there.
    pub fn lives(&self) -> bool {
        let mut fds = [PollFd::new(self.jail.pidfd.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
    }

    /// nsjail's process id, and the zygote's.
    pub fn pids(&self) -> (i32, i32) {
        (self.jail.pid, self.pid)
    }
}

/// One candidate on its way.
struct Run {
    watch: Watch,
    child: OwnedFd,
    pid: i32,
}

struct ChildClock<'a> {
    pid: i32,
    group: &'a Group,
}

impl Clock for ChildClock<'_> {
    fn used(&self) -> Duration {
        match self.group.cpu() {
            Some(used) => used,
            // The clock is precise but of one process; the tree has all, in steps of a tick.
            None => process::cpu_clock(self.pid)
                .unwrap_or_default()
                .max(process::tree_cpu(self.pid)),
        }
    }

    fn at_first_step(&self, runner: Duration) -> Duration {
        self.group.cpu().unwrap_or(runner)
    }
}

/// How a child ended, as the zygote tells.
struct ChildEnd {
    ended: Ended,
    cpu: Duration,
    peak_memory_bytes: u64,
}

impl ChildEnd {
    fn read(message: &[u8]) -> Option<Self> {
        let (status, numbers) = message.split_first_chunk::<4>()?;
        let (user, numbers) = numbers.split_first_chunk::<8>()?;
        let (system, numbers) = numbers.split_first_chunk::<8>()?;
        let kib: [u8; 8] = numbers.try_into().ok()?;
        // The order of the numbers is the zygote's `answer.pack`.
        let [user, system, kib] = [*user, *system, kib].map(u64::from_le_bytes);
        Some(Self {
            ended: nsjail_log::ended(i32::from_le_bytes(*status)),
            cpu: Duration::from_micros(user + system),
            peak_memory_bytes: kib * 1024,
        })
    }
}

fn order(request: &Request<'_>) -> Vec<u8> {
    let mut order = Vec::new();
    for limit in arguments::child_limits(&request.limits) {
        order.extend(limit.to_le_bytes());
    }
    let mut scratch = arguments::scratch_options().into_bytes();
    scratch.resize(SCRATCH_OPTIONS_BYTES, 0);
    order.extend(scratch);
    order
}
