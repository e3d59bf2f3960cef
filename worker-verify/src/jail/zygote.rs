//! One zygote: a warm interpreter in a jail of its own that forks a child per candidate. `zygote.py` is its other end.
//! Starts it, has it run one candidate at a time, and ends it; says afterwards whether it may be used again.
//!
//! On the control socket, a message each way a packet: the zygote says `H` when it is up; an order is three limits (u64) and the
//! scratch folder's options (64 bytes) with four descriptors (the request file, the child's private socket, result pipe, output
//! pipe); the answer to it comes when the child has ended: its wait status (i32), user and system time in microseconds and largest
//! resident size in KiB (u64 each). On its private socket the child says `P` once its limits hold and nothing but these four
//! descriptors is open; only then is the request written, and the answer `G` lets the child read it.

use std::{
    fs::File,
    io::{self, IoSlice},
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
    },
};

use crate::jail::arguments::{self, Descriptors};
use crate::jail::cgroup::{Cgroups, Group};
use crate::jail::nsjail::{self, Nsjail};
use crate::jail::policy;
use crate::jail::process;
use crate::jail::watch::{Clock, KEPT_OUTPUT, START_LIMIT, Watch};
use crate::sandbox::{Ended, InfrastructureError, Limits, Raw, Request};

const PROGRAM: &str = concat!(
    include_str!("inside/runner.py"),
    "\n",
    include_str!("inside/prepare.py"),
    "\n",
    include_str!("inside/zygote.py")
);
/// The control socket's number in the jail: always the same, as everything must be that a zygote's heap could depend on. So high
/// that nothing else has it.
const CONTROL: RawFd = 999;
/// How long a killed child may take to be gone, or the zygote to answer, before the whole jail is ended.
const GRACE: Duration = Duration::from_secs(10);

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

/// Ends and reaps nsjail, which takes everything in the jail along.
struct Jail {
    pid: i32,
    pidfd: OwnedFd,
}

/// Why a run gave no answer.
pub struct Failed {
    pub error: InfrastructureError,
    /// Whether the candidate had not been let in yet, so that another zygote may try.
    pub before: bool,
}

impl Zygote {
    /// Starts a jail with a zygote in it. The calling thread must outlive it: nsjail is killed when that thread ends.
    pub fn start(sandbox: &Nsjail, cgroups: &dyn Cgroups) -> Result<Self, InfrastructureError> {
        let system =
            |what: &'static str| move |error: io::Error| InfrastructureError::System(what, error);
        let log = process::scratch_file().map_err(system("make the log file"))?;
        let (output, writer) = process::pipe().map_err(system("make the output pipe"))?;
        let (control, theirs) = packets().map_err(system("make the control socket"))?;
        let group = cgroups.create().map_err(system("make a control group"))?;
        let jail = Jail::start(sandbox, &theirs, writer, &log, &group)?;
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

    fn greet(&mut self) -> Result<(), InfrastructureError> {
        match (
            self.answer(START_LIMIT),
            &process::children(self.jail.pid)[..],
        ) {
            (Ok(message), [pid]) if message == b"H" => self.pid = *pid,
            _ => return Err(InfrastructureError::Zygote(self.explanation())),
        }
        Ok(())
    }

    /// A run of nothing: it shows that children can be made here, and leaves the zygote's heap as every later run finds it.
    fn rehearse(&mut self) -> Result<(), InfrastructureError> {
        let never = AtomicBool::new(false);
        let nothing = Request {
            code: b"",
            entry: "",
            cases: &[],
            limits: Limits::default(),
            cancelled: &never,
        };
        match self.run(&nothing).map_err(|failed| failed.error)?.ended {
            Ended::Exited(0) => Ok(()),
            ended => Err(InfrastructureError::Setup {
                ended,
                log: self.explanation(),
            }),
        }
    }

    /// Runs one candidate.
    pub fn run(&mut self, request: &Request<'_>) -> Result<Raw, Failed> {
        self.runs += 1;
        // Until the run has gone well to its end, it has not.
        self.sound = false;
        let mut run = self.begin(request).map_err(|error| Failed {
            error,
            before: true,
        })?;
        let raw = self.finish(&mut run, request);
        raw.map_err(|error| Failed {
            error,
            before: false,
        })
    }

    /// Has a child made, and lets the candidate into it.
    fn begin(&mut self, request: &Request<'_>) -> Result<Run, InfrastructureError> {
        let system =
            |what: &'static str| move |error: io::Error| InfrastructureError::System(what, error);
        self.group
            .begin(request.limits.memory_bytes)
            .map_err(system("limit the control group"))?;
        let nonce = nsjail::new_nonce();
        let file = process::empty_file().map_err(system("make the request file"))?;
        let (mut watch, writers) = Watch::new(nonce).map_err(system("make the pipes"))?;
        let (private, theirs) = packets().map_err(system("make the private socket"))?;
        let fds = [
            file.as_raw_fd(),
            theirs.as_raw_fd(),
            writers.results.as_raw_fd(),
            writers.output.as_raw_fd(),
        ];
        send(&self.control, &order(request), &fds)
            .map_err(|_| InfrastructureError::Zygote(self.explanation()))?;
        drop((theirs, writers));
        if !self.is_ready(&private) {
            let _ = watch.read_output(KEPT_OUTPUT as u64);
            let log = format!(
                "{} {}",
                String::from_utf8_lossy(&watch.kept_output),
                self.explanation()
            );
            return Err(InfrastructureError::Zygote(log));
        }
        let (pid, child) = self.child().map_err(system("find the child"))?;
        // A candidate that eats all memory must go first, not the zygote or the worker.
        process::prefer_for_killing(pid);
        process::seal(&file, &request.encode(&nonce)).map_err(system("write the request file"))?;
        // A child that has failed by now is seen as ended before it began.
        let _ = nix::unistd::write(&private, b"G");
        Ok(Run { watch, child, pid })
    }

    /// Waits until the child is ready, or there is none.
    fn is_ready(&self, private: &OwnedFd) -> bool {
        let [of_child, of_zygote] =
            wait([private.as_fd(), self.control.as_fd()], START_LIMIT).unwrap_or_default();
        let mut message = [0];
        // The zygote has nothing to say before the child has ended.
        of_child
            && !of_zygote
            && nix::unistd::read(private, &mut message) == Ok(1)
            && message == *b"P"
    }

    /// The child, of which there is one at a time: its process id and a pidfd.
    fn child(&self) -> io::Result<(i32, OwnedFd)> {
        let only = || match process::children(self.pid)[..] {
            [pid] => Ok(pid),
            _ => Err(io::Error::other("the zygote does not have one child")),
        };
        let pid = only()?;
        let pidfd = process::pidfd(pid)?;
        // It was still the child when the pidfd was there, so the number had not gone to another process before.
        if only()? == pid {
            Ok((pid, pidfd))
        } else {
            Err(io::Error::other("the zygote has another child"))
        }
    }

    fn finish(&mut self, run: &mut Run, request: &Request<'_>) -> Result<Raw, InfrastructureError> {
        let clock = ChildClock {
            pid: run.pid,
            group: &self.group,
        };
        let stopped = run.watch.until_end(self.control.as_fd(), request, &clock);
        let stopped =
            stopped.map_err(|error| InfrastructureError::System("watch the child", error))?;
        if stopped.is_some() {
            process::signal(&run.child, libc::SIGKILL);
        }
        let end = self
            .answer(GRACE)
            .ok()
            .and_then(|message| End::read(&message));
        let end = end.ok_or_else(|| InfrastructureError::Zygote(self.explanation()))?;
        let Some(began) = run.watch.began else {
            let ended = if self.group.killed() {
                Ended::MemoryLimit
            } else {
                end.ended
            };
            return self.never_began(run, stopped.unwrap_or(ended));
        };
        let cpu = end.cpu.saturating_sub(began.runner);
        let ended = match stopped {
            Some(limit) => limit,
            None if cpu > request.limits.cpu => Ended::CpuLimit,
            None if began.at.elapsed() > request.limits.wall() => Ended::WallLimit,
            // Whichever of its processes it was.
            None if self.group.killed() => Ended::MemoryLimit,
            None if end.ended == Ended::Signalled(libc::SIGKILL) => {
                return Err(InfrastructureError::CandidateKilled(libc::SIGKILL));
            }
            None => end.ended,
        };
        self.sound = true;
        Ok(Raw {
            ended,
            nonce: run.watch.nonce,
            results: std::mem::take(&mut run.watch.received),
            cpu,
            wall: began.at.elapsed(),
            peak_memory_bytes: end.peak_memory_bytes.max(self.group.peak().unwrap_or(0)),
        })
    }

    fn never_began(&mut self, run: &Run, ended: Ended) -> Result<Raw, InfrastructureError> {
        let log = nsjail::explanation(&self.log, &run.watch.kept_output);
        match ended {
            Ended::Cancelled => {
                self.sound = true;
                Ok(Raw {
                    ended,
                    nonce: run.watch.nonce,
                    results: Vec::new(),
                    cpu: Duration::ZERO,
                    wall: run.watch.launched.elapsed(),
                    peak_memory_bytes: 0,
                })
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
        match wait([self.control.as_fd()], limit)? {
            [true] => receive(&self.control),
            [false] => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// What nsjail and the zygote complained of.
    fn explanation(&mut self) -> String {
        let mut printed = Vec::new();
        let _ = process::drain(&mut self.output, |chunk| {
            printed.extend(chunk);
            printed.len() < KEPT_OUTPUT
        });
        nsjail::explanation(&self.log, &printed)
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

impl Jail {
    fn start(
        sandbox: &Nsjail,
        control: &OwnedFd,
        output: OwnedFd,
        log: &File,
        group: &Group,
    ) -> Result<Self, InfrastructureError> {
        let system =
            |what: &'static str| move |error: io::Error| InfrastructureError::System(what, error);
        let [first, second] = policy::programs();
        let length = u32::try_from(first.len())
            .expect("a program is short")
            .to_le_bytes();
        let filters = process::sealed_file(&[&length, &*first, &*second].concat())
            .map_err(system("make the file of the filters"))?;
        let errors = output.try_clone().map_err(system("make the output pipe"))?;
        let (control, fds) = (
            control.as_raw_fd(),
            Descriptors {
                passed: CONTROL,
                log: log.as_raw_fd(),
            },
        );
        let entrances: Vec<RawFd> = group
            .entrances
            .iter()
            .map(|file| file.as_raw_fd())
            .collect();
        if fds.log == CONTROL || entrances.contains(&CONTROL) {
            return Err(InfrastructureError::Zygote(format!(
                "descriptor {CONTROL} is in use: there are too many"
            )));
        }
        let mut command = Command::new(sandbox.path());
        command
            .args(arguments::zygote_arguments(&sandbox.python, PROGRAM, fds))
            .env_clear()
            .process_group(0);
        command
            .stdin(Stdio::from(filters))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(errors));
        let prepare = move || {
            process::inherit_as(control, CONTROL)?;
            process::inherit(fds.log)?;
            process::forbid_core_files();
            process::limit_waiting_signals();
            process::die_with_parent(libc::SIGKILL)?;
            entrances
                .iter()
                .try_for_each(|entrance| process::enter(*entrance))
        };
        // SAFETY: between fork and exec the closure makes system calls on integers and a constant and allocates nothing.
        unsafe { command.pre_exec(prepare) };
        let child = command
            .spawn()
            .map_err(|source| InfrastructureError::Start {
                path: sandbox.path().to_owned(),
                source,
            })?;
        let pid = i32::try_from(child.id()).expect("process ids are positive 32-bit numbers");
        Ok(Self {
            pid,
            pidfd: process::pidfd(pid).map_err(system("open the jail's pidfd"))?,
        })
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        // nsjail's end is the end of its child, the first process of the jail, and so of everything in it.
        process::signal(&self.pidfd, libc::SIGKILL);
        let _ = process::reap(self.pid);
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
        let own = || {
            process::cpu_clock(self.pid)
                .unwrap_or_default()
                .max(process::tree_cpu(self.pid))
        };
        self.group.cpu().unwrap_or_else(own)
    }

    fn at_first_step(&self, runner: Duration) -> Duration {
        self.group.cpu().unwrap_or(runner)
    }
}

/// How a child ended, as the zygote tells.
struct End {
    ended: Ended,
    cpu: Duration,
    peak_memory_bytes: u64,
}

impl End {
    fn read(message: &[u8]) -> Option<Self> {
        let (status, numbers) = message.split_first_chunk::<4>()?;
        let numbers: Vec<u64> = numbers
            .chunks_exact(8)
            .filter_map(|chunk| chunk.try_into().ok().map(u64::from_le_bytes))
            .collect();
        let [user, system, kib] = numbers[..] else {
            return None;
        };
        let cpu = Duration::from_micros(user + system);
        Some(Self {
            ended: nsjail::ended(i32::from_le_bytes(*status)),
            cpu,
            peak_memory_bytes: kib * 1024,
        })
    }
}

fn order(request: &Request<'_>) -> Vec<u8> {
    let mut order: Vec<u8> = arguments::child_limits(&request.limits)
        .iter()
        .flat_map(|limit| limit.to_le_bytes())
        .collect();
    let mut scratch = arguments::scratch().into_bytes();
    scratch.resize(64, 0);
    order.extend(scratch);
    order
}

/// Two ends of a socket that keeps messages apart.
fn packets() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?)
}

fn send(socket: &OwnedFd, message: &[u8], fds: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(message)],
        &rights,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

fn receive(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut bytes = [0; 64];
    let length = nix::unistd::read(socket, &mut bytes)?;
    Ok(bytes[..length].to_vec())
}

/// Waits at most `limit` until at least one of the descriptors is readable, and says which are.
fn wait<const N: usize>(sources: [BorrowedFd<'_>; N], limit: Duration) -> io::Result<[bool; N]> {
    let since = Instant::now();
    loop {
        let left = PollTimeout::try_from(limit.saturating_sub(since.elapsed()))
            .expect("limits are below a minute");
        let mut fds = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, left) {
            Ok(_) => return Ok(fds.map(|fd| fd.any().unwrap_or(false))),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
