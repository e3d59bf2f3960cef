//! What nsjail is told: namespaces, mounts, limits and the seccomp policy. Everything that isolates is in this file.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::Path};

use nix::unistd::{getegid, geteuid};

use crate::{python::Interpreter, sandbox::Limits};

/// Nobody, inside and, where we may choose, outside.
const NOBODY: u32 = 65534;
/// The scratch folder, the only place that can be written to.
const SCRATCH: &str = "/tmp";
const SCRATCH_BYTES: u64 = 8 << 20;
const SCRATCH_INODES: u32 = 64;
/// Processes and threads together.
const MAX_PROCESSES: u32 = 16;
const MAX_FILES: u32 = 64;
const STACK_MIB: u64 = 8;

/// What the policy permits, what it answers with "not permitted", and what it kills for. Everything else, `clone3` among it,
/// does not exist (ENOSYS), so that a system call the kernel learns tomorrow is not allowed by being unknown. The limit on CPU
/// time (resource 0) can't be changed: the kernel's SIGKILL for it would look like one from outside.
const POLICY: &str = "POLICY candidate {
  KILL_PROCESS {
    ptrace, process_vm_readv, process_vm_writev, process_madvise, pidfd_getfd, kcmp,
    bpf, perf_event_open, userfaultfd, io_uring_setup, io_uring_enter, io_uring_register,
    keyctl, add_key, request_key,
    mount, umount, pivot_root, chroot, fsopen, fsmount, fsconfig, fspick, move_mount, open_tree, mount_setattr,
    unshare, setns, open_by_handle_at, name_to_handle_at,
    kexec_load, kexec_file_load, init_module, finit_module, delete_module, reboot, swapon, swapoff,
    acct, quotactl, syslog, iopl, ioperm, modify_ldt, settimeofday, clock_settime, sethostname, setdomainname,
    clone { (clone_flags & 0x7E020000) != 0 }
  },
  ERRNO(1) {
    socket, socketpair, connect, bind, listen, accept, accept4, sendto, recvfrom, sendmsg, recvmsg,
    shmget, shmat, shmctl, semget, semop, semctl, msgget, msgsnd, msgrcv, msgctl, mq_open,
    setrlimit { resource == 0 }, prlimit64 { resource == 0 && new_rlim != 0 }
  },
  ALLOW {
    clone { (clone_flags & 0x7E020000) == 0 },
    read, write, readv, writev, pread64, pwrite64, open, openat, creat, close, close_range, lseek,
    newstat, newfstat, newlstat, newfstatat, statx, statfs, fstatfs, access, faccessat, faccessat2, readlink, readlinkat,
    getcwd, chdir, fchdir, getdents, getdents64, mkdir, mkdirat, rmdir, unlink, unlinkat, rename, renameat, renameat2,
    link, linkat, symlink, symlinkat, chmod, fchmod, fchmodat, chown, fchown, lchown, fchownat, umask,
    truncate, ftruncate, fallocate, fsync, fdatasync, flock, utime, utimes, utimensat, futimesat,
    copy_file_range, sendfile64, fcntl, ioctl, dup, dup2, dup3, pipe, pipe2,
    poll, ppoll, select, pselect6, epoll_create, epoll_create1, epoll_ctl, epoll_wait, epoll_pwait, eventfd, eventfd2,
    mmap, munmap, mprotect, mremap, madvise, mincore, msync, brk,
    rt_sigaction, rt_sigprocmask, rt_sigreturn, rt_sigpending, rt_sigsuspend, rt_sigtimedwait, sigaltstack, pause,
    kill, tkill, tgkill, alarm, setitimer, getitimer,
    futex, set_robust_list, get_robust_list, set_tid_address, rseq, membarrier, arch_prctl, restart_syscall,
    getpid, getppid, gettid, getuid, geteuid, getgid, getegid, getgroups, getresuid, getresgid,
    setpgid, getpgid, getpgrp, setsid, getsid, getpriority, setpriority,
    getrlimit, setrlimit { resource != 0 }, prlimit64 { resource != 0 || new_rlim == 0 }, getrusage,
    sysinfo, newuname, times, time, gettimeofday,
    clock_gettime, clock_getres, clock_nanosleep, nanosleep, getrandom,
    sched_yield, sched_getaffinity, sched_getparam, sched_getscheduler, getcpu,
    vfork, fork, execve, execveat, wait4, waitid, exit, exit_group
  }
}
USE candidate DEFAULT ERRNO(38)";

/// The descriptors nsjail gets beside the standard ones.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// Passed on to the runner, for its frames.
    pub results: i32,
    /// Kept by nsjail, for its own log; at its usual level, at which it tells how the candidate ended.
    pub log: i32,
}

/// The whole command line after `nsjail`.
pub fn arguments(python: &Interpreter, runner: &str, limits: &Limits, fds: Descriptors) -> Vec<OsString> {
    let mut list = Arguments(Vec::with_capacity(128));
    list.pair("--log_fd", fds.log).pair("--pass_fd", fds.results);
    isolation(&mut list);
    resources(&mut list, limits);
    for path in &python.binds {
        list.bind(path);
    }
    list.flag("--").path(&python.executable).flag("-s").flag("-P").flag("-S").flag("-B").pair("-c", runner).flag(&fds.results.to_string());
    list.0
}

/// Addresses are not randomised: the order of a set can depend on them, and verdicts must repeat.
///
/// nsjail makes new user, pid, mount, net, ipc, uts and cgroup namespaces, drops all capabilities, sets no_new_privs, makes a session and clears
/// the environment unless told otherwise.
fn isolation(list: &mut Arguments) {
    list.pair("--mode", "o").flag("--disable_proc").flag("--iface_no_lo").pair("--hostname", "candidate");
    list.flag("--persona_addr_no_randomize");
    let (user, group) = if geteuid().is_root() { (NOBODY, NOBODY) } else { (geteuid().as_raw(), getegid().as_raw()) };
    list.pair("--user", format!("{NOBODY}:{user}:1")).pair("--group", format!("{NOBODY}:{group}:1"));
    list.pair("--mount", format!("none:{SCRATCH}:tmpfs:size={SCRATCH_BYTES},nr_inodes={SCRATCH_INODES}")).pair("--cwd", SCRATCH);
    list.pair("--env", "PYTHONHASHSEED=0").pair("--seccomp_string", POLICY);
}

fn resources(list: &mut Arguments, limits: &Limits) {
    let cpu_seconds = limits.cpu.as_secs() + 2;
    list.pair("--rlimit_as", limits.memory_bytes.div_ceil(1 << 20)).pair("--rlimit_cpu", cpu_seconds);
    list.pair("--rlimit_fsize", SCRATCH_BYTES >> 20).pair("--rlimit_nofile", MAX_FILES).pair("--rlimit_nproc", MAX_PROCESSES);
    list.pair("--rlimit_core", 0).pair("--rlimit_stack", STACK_MIB).pair("--rlimit_memlock", 0).pair("--rlimit_msgqueue", 0);
    list.pair("--time_limit", limits.wall().as_secs() + 60).pair("--nice_level", 0);
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, flag: &str) -> &mut Self {
        self.0.push(flag.into());
        self
    }

    fn pair(&mut self, flag: &str, value: impl ToString) -> &mut Self {
        self.flag(flag).flag(&value.to_string())
    }

    fn path(&mut self, path: &Path) -> &mut Self {
        self.0.push(path.into());
        self
    }

    /// A read-only bind at the same place. A colon would split the argument; `Interpreter::inspect` refuses such paths.
    fn bind(&mut self, path: &Path) -> &mut Self {
        debug_assert!(!path.as_os_str().as_bytes().contains(&b':'));
        self.flag("--bindmount_ro").path(path)
    }
}
