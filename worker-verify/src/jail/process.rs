//! The few system calls that the standard library has no words for: sealed memory files, pidfds,
//! reaping with usage, CPU time of a process tree. Knows nothing of jails.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::fs::FileExt as _,
    },
    time::Duration,
};

use nix::{
    fcntl::{FcntlArg, OFlag, SealFlag, fcntl},
    libc,
    sys::memfd::{MFdFlags, memfd_create},
};

/// Signals that may wait for all jails of a user together; Python code queues none.
const MAX_WAITING_SIGNALS: libc::rlim_t = 256;
/// The unit in which /proc counts CPU time, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// An anonymous file with this content, at its beginning, that nobody can change.
pub fn sealed_file(content: &[u8]) -> io::Result<File> {
    let file = empty_file()?;
    seal(&file, content)?;
    Ok(file)
}

/// An anonymous empty file, to be filled by [`seal`].
pub fn empty_file() -> io::Result<File> {
    Ok(File::from(memfd_create(
        c"request",
        MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
    )?))
}

/// Writes the file's content, which nobody can change from then on. Its position stays where it is.
pub fn seal(file: &File, content: &[u8]) -> io::Result<()> {
    file.write_all_at(content, 0)?;
    fcntl(file, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
    Ok(())
}

/// An anonymous empty file to write to.
pub fn scratch_file() -> io::Result<File> {
    Ok(File::from(memfd_create(c"log", MFdFlags::MFD_CLOEXEC)?))
}

/// A pipe closed on exec, whose reading end does not block.
pub fn pipe() -> io::Result<(File, OwnedFd)> {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((File::from(reader), writer))
}

/// Reads what is there, handing each chunk to `take`. Returns whether the pipe is still open.
pub fn drain(pipe: &mut File, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<bool> {
    let mut chunk = [0; 1 << 16];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                // A writer that is faster than we are would otherwise keep us here for ever.
                if !take(&chunk[..count]) {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A descriptor that becomes readable when process `pid`, a child of ours, ends.
pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // The kernel returns a long; a descriptor fits into an int.
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What a reaped child and its own reaped children used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    /// `ru_maxrss`: of the largest single process, and no less than what the forking process had
    /// resident.
    pub peak_memory_bytes: u64,
}

/// Waits for child `pid` and returns its raw wait status and usage.
pub fn reap(pid: i32) -> io::Result<(i32, Usage)> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid `rusage`, which is plain numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live locals of the right type.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let kib = u64::try_from(usage.ru_maxrss).unwrap_or(0);
    Ok((
        status,
        Usage {
            cpu: from_timeval(usage.ru_utime) + from_timeval(usage.ru_stime),
            peak_memory_bytes: kib * 1024,
        },
    ))
}

fn from_timeval(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// CPU time that process `pid` alone has used, by the kernel's precise clock.
pub fn cpu_clock(pid: i32) -> Option<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // The kernel's encoding of "the CPU clock of process pid": the complement, shifted, with
    // CPUCLOCK_SCHED (2).
    let clock = (!pid << 3) | 2;
    // SAFETY: the pointer is to a live local.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Some(Duration::new(seconds, nanos))
}

/// CPU time of `pid`, its living descendants and those they have reaped, in steps of a clock tick.
/// What can't be read counts as nothing: the limits inside the jail still hold then.
pub fn tree_cpu(pid: i32) -> Duration {
    let mut total = own_and_reaped(pid).unwrap_or_default();
    for child in children(pid) {
        // A child that ends meanwhile is counted with the process that reaps it.
        total += tree_cpu(child);
    }
    total
}

/// The children of `pid`, whichever of its threads made them.
pub fn children(pid: i32) -> Vec<i32> {
    let mut children = Vec::new();
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    for thread in threads.into_iter().flatten().flatten() {
        let listed = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(listed.split_whitespace().flat_map(str::parse::<i32>));
    }
    children
}

/// Resident size of `pid`, KiB.
pub fn resident_kib(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.lines();
    let size = lines.find_map(|line| line.strip_prefix("VmRSS:"))?;
    size.trim().strip_suffix(" kB")?.parse().ok()
}

fn own_and_reaped(pid: i32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Fields after the name in parentheses: the 12th to 15th are user and system time, own and of
    // reaped children.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields = fields.split(' ').skip(11).take(4);
    let ticks: u64 = fields.flat_map(str::parse::<u64>).sum();
    Some(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// Lets the next program that this process executes inherit `fd`. For use between fork and exec:
/// makes one system call.
pub fn inherit(fd: i32) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer and touches no memory of ours.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Lets the next program that this process executes inherit `fd` under the number `number`, which
/// must not be in use by anything that it inherits. For use between fork and exec: makes one system
/// call.
pub fn inherit_as(fd: i32, number: i32) -> io::Result<()> {
    if fd == number {
        return inherit(fd);
    }
    // SAFETY: dup2 takes two integers and touches no memory of ours.
    if unsafe { libc::dup2(fd, number) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Moves this process into the control group whose `cgroup.procs` is `fd`. For use between fork and
/// exec: makes one system call.
pub fn enter(fd: i32) -> io::Result<()> {
    // SAFETY: the buffer is a constant of one byte.
    if unsafe { libc::write(fd, c"0".as_ptr().cast(), 1) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Keeps this process and its children from leaving core files. One byte, not none: with a limit of
/// none the kernel would still start the machine's crash handler, where there is one. If even that
/// is too much to ask for, the limit is none already. For use between fork and exec: makes one
/// system call.
pub fn forbid_core_files() {
    let limit = libc::rlimit {
        rlim_cur: 1,
        rlim_max: 1,
    };
    // SAFETY: the pointer is to a live local.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
}

/// Bounds the signals that may wait for this process and what it starts: they count for the user
/// who runs the worker as well. For use between fork and exec: makes one system call.
pub fn limit_waiting_signals() {
    let limit = libc::rlimit {
        rlim_cur: MAX_WAITING_SIGNALS,
        rlim_max: MAX_WAITING_SIGNALS,
    };
    // SAFETY: the pointer is to a live local.
    unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const limit) };
}

/// Lets the kernel choose this process, and what it starts, first when memory runs out. For use
/// between fork and exec: makes three system calls.
pub fn go_first() {
    // SAFETY: the path and the buffer are constants; the descriptor is our own.
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY);
        libc::write(file, c"1000".as_ptr().cast(), 4);
        libc::close(file);
    }
}

/// Lets the kernel choose this process first when memory runs out. One that is gone needs nothing.
pub fn prefer_for_killing(pid: i32) {
    let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), "1000");
}

/// Asks the kernel to send `signal` to this process when the thread that started it ends. For use
/// between fork and exec.
pub fn die_with_parent(signal: i32) -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes an integer and touches no memory of ours.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Has the allocator return large blocks to the kernel as soon as they are freed. Left alone it
/// keeps blocks as large as the largest ever freed, for each thread: 8 MiB of a hostile candidate's
/// results would stay.
pub fn return_large_blocks() {
    // SAFETY: mallopt takes two integers; called before there are other threads.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20) };
}

/// Sends `signal` to the process behind `pidfd`; one that has ended is fine.
pub fn signal(pidfd: &OwnedFd, signal: i32) {
    // SAFETY: pidfd_send_signal takes integers and a null pointer, which means "no details".
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
}
