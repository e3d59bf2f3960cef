//! Which system calls a candidate may make: the one table, which `text.rs`, `program.rs` and
//! `container.rs` put into the forms it is needed in. What is permitted with conditions is under
//! [`Condition`].
//!
//! What the table does not name, `clone3` among it, does not exist (ENOSYS), so that a system call
//! that the kernel learns tomorrow is not allowed by being unknown. Knows x86-64 only; any other
//! architecture's calls are killed.

/// One system call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The name that nsjail's language has for it.
    pub nsjail_name: &'static str,
    /// The name of its constant, `SYS_` and the kernel's name.
    constant: &'static str,
    pub number: i64,
}

impl Call {
    pub const fn new(nsjail_name: &'static str, constant: &'static str, number: i64) -> Self {
        Self {
            nsjail_name,
            constant,
            number,
        }
    }

    /// The kernel's own name, by which libseccomp and so every container engine knows it.
    pub fn kernel_name(&self) -> &'static str {
        let name = self.constant.strip_prefix("SYS_");
        name.expect("every constant of a system call begins so")
    }
}

pub type Calls = &'static [Call];

/// nsjail's name of each call, and its constant.
macro_rules! calls {
    ($($name:ident $number:ident),+ $(,)?) => {
        &[$($crate::jail::policy::calls::Call::new(
            stringify!($name),
            stringify!($number),
            nix::libc::$number,
        )),+]
    };
}
pub(super) use calls;

/// Killed for: `forbidden`.
pub const FORBIDDEN: Calls = calls! {
    // Reading, changing and tracing other processes.
    ptrace SYS_ptrace, process_vm_readv SYS_process_vm_readv,
    process_vm_writev SYS_process_vm_writev, process_madvise SYS_process_madvise,
    pidfd_getfd SYS_pidfd_getfd, kcmp SYS_kcmp,
    // Parts of the kernel that are large, new, or full of past holes.
    bpf SYS_bpf, perf_event_open SYS_perf_event_open, userfaultfd SYS_userfaultfd,
    io_uring_setup SYS_io_uring_setup, io_uring_enter SYS_io_uring_enter,
    io_uring_register SYS_io_uring_register, keyctl SYS_keyctl, add_key SYS_add_key,
    request_key SYS_request_key,
    // File systems and namespaces.
    mount SYS_mount, umount SYS_umount2, pivot_root SYS_pivot_root, chroot SYS_chroot,
    fsopen SYS_fsopen, fsmount SYS_fsmount, fsconfig SYS_fsconfig, fspick SYS_fspick,
    move_mount SYS_move_mount, open_tree SYS_open_tree, mount_setattr SYS_mount_setattr,
    unshare SYS_unshare, setns SYS_setns, open_by_handle_at SYS_open_by_handle_at,
    name_to_handle_at SYS_name_to_handle_at,
    // The machine itself.
    kexec_load SYS_kexec_load, kexec_file_load SYS_kexec_file_load, init_module SYS_init_module,
    finit_module SYS_finit_module, delete_module SYS_delete_module, reboot SYS_reboot,
    swapon SYS_swapon, swapoff SYS_swapoff, acct SYS_acct, quotactl SYS_quotactl, syslog SYS_syslog,
    iopl SYS_iopl, ioperm SYS_ioperm, modify_ldt SYS_modify_ldt, settimeofday SYS_settimeofday,
    clock_settime SYS_clock_settime, sethostname SYS_sethostname, setdomainname SYS_setdomainname,
};

/// Answered with "not permitted" (EPERM).
pub const REFUSED: Calls = calls! {
    // Sockets, of which there is none in the jail.
    socket SYS_socket, socketpair SYS_socketpair, connect SYS_connect, bind SYS_bind,
    listen SYS_listen, accept SYS_accept, accept4 SYS_accept4, sendto SYS_sendto,
    recvfrom SYS_recvfrom, sendmsg SYS_sendmsg, recvmsg SYS_recvmsg,
    // System V objects and message queues, which outlive a process.
    shmget SYS_shmget, shmat SYS_shmat, shmctl SYS_shmctl, semget SYS_semget, semop SYS_semop,
    semctl SYS_semctl, msgget SYS_msgget, msgsnd SYS_msgsnd, msgrcv SYS_msgrcv, msgctl SYS_msgctl,
    mq_open SYS_mq_open,
};

/// Answered with success, and nothing done: what is written here need not last, and others need not
/// wait for the disk.
pub const IGNORED: Calls = calls! { fsync SYS_fsync, fdatasync SYS_fdatasync };

/// Permitted. What is permitted with conditions is not here: see [`CONDITIONAL`].
pub const ALLOWED: Calls = calls! {
    // Reading and writing.
    read SYS_read, write SYS_write, readv SYS_readv, writev SYS_writev, pread64 SYS_pread64,
    pwrite64 SYS_pwrite64, open SYS_open, openat SYS_openat, creat SYS_creat, close SYS_close,
    close_range SYS_close_range, lseek SYS_lseek,
    // Files and folders: the mounts and the scratch folder's size set the bounds.
    newstat SYS_stat, newfstat SYS_fstat, newlstat SYS_lstat, newfstatat SYS_newfstatat,
    statx SYS_statx, statfs SYS_statfs, fstatfs SYS_fstatfs, access SYS_access,
    faccessat SYS_faccessat, faccessat2 SYS_faccessat2, readlink SYS_readlink,
    readlinkat SYS_readlinkat, getcwd SYS_getcwd, chdir SYS_chdir, fchdir SYS_fchdir,
    getdents SYS_getdents, getdents64 SYS_getdents64, mkdir SYS_mkdir, mkdirat SYS_mkdirat,
    rmdir SYS_rmdir, unlink SYS_unlink, unlinkat SYS_unlinkat, rename SYS_rename,
    renameat SYS_renameat, renameat2 SYS_renameat2, link SYS_link, linkat SYS_linkat,
    symlink SYS_symlink, symlinkat SYS_symlinkat, chmod SYS_chmod, fchmod SYS_fchmod,
    fchmodat SYS_fchmodat, chown SYS_chown, fchown SYS_fchown, lchown SYS_lchown,
    fchownat SYS_fchownat, umask SYS_umask, truncate SYS_truncate, ftruncate SYS_ftruncate,
    fallocate SYS_fallocate, flock SYS_flock, utime SYS_utime, utimes SYS_utimes,
    utimensat SYS_utimensat, futimesat SYS_futimesat, copy_file_range SYS_copy_file_range,
    sendfile64 SYS_sendfile,
    // Descriptors, and waiting for them.
    dup SYS_dup, dup2 SYS_dup2, dup3 SYS_dup3, pipe SYS_pipe, pipe2 SYS_pipe2, poll SYS_poll,
    ppoll SYS_ppoll, select SYS_select, pselect6 SYS_pselect6, epoll_create SYS_epoll_create,
    epoll_create1 SYS_epoll_create1, epoll_ctl SYS_epoll_ctl, epoll_wait SYS_epoll_wait,
    epoll_pwait SYS_epoll_pwait, eventfd SYS_eventfd, eventfd2 SYS_eventfd2,
    // Memory.
    mmap SYS_mmap, munmap SYS_munmap, mprotect SYS_mprotect, mremap SYS_mremap, madvise SYS_madvise,
    mincore SYS_mincore, msync SYS_msync, brk SYS_brk,
    // Signals and timers; sending signals depends on the signal.
    rt_sigaction SYS_rt_sigaction, rt_sigprocmask SYS_rt_sigprocmask, rt_sigreturn SYS_rt_sigreturn,
    rt_sigpending SYS_rt_sigpending, rt_sigsuspend SYS_rt_sigsuspend,
    rt_sigtimedwait SYS_rt_sigtimedwait, sigaltstack SYS_sigaltstack, pause SYS_pause,
    alarm SYS_alarm, setitimer SYS_setitimer, getitimer SYS_getitimer,
    // Threads.
    futex SYS_futex, set_robust_list SYS_set_robust_list, get_robust_list SYS_get_robust_list,
    set_tid_address SYS_set_tid_address, rseq SYS_rseq, membarrier SYS_membarrier,
    arch_prctl SYS_arch_prctl, restart_syscall SYS_restart_syscall,
    // Who and what this process is.
    getpid SYS_getpid, getppid SYS_getppid, gettid SYS_gettid, getuid SYS_getuid,
    geteuid SYS_geteuid, getgid SYS_getgid, getegid SYS_getegid, getgroups SYS_getgroups,
    getresuid SYS_getresuid, getresgid SYS_getresgid, setpgid SYS_setpgid, getpgid SYS_getpgid,
    getpgrp SYS_getpgrp, setsid SYS_setsid, getsid SYS_getsid, getpriority SYS_getpriority,
    setpriority SYS_setpriority, getrlimit SYS_getrlimit, getrusage SYS_getrusage,
    // The machine and the time.
    sysinfo SYS_sysinfo, newuname SYS_uname, times SYS_times, time SYS_time,
    gettimeofday SYS_gettimeofday, clock_gettime SYS_clock_gettime, clock_getres SYS_clock_getres,
    clock_nanosleep SYS_clock_nanosleep, nanosleep SYS_nanosleep, getrandom SYS_getrandom,
    // Scheduling.
    sched_yield SYS_sched_yield, sched_getaffinity SYS_sched_getaffinity,
    sched_getparam SYS_sched_getparam, sched_getscheduler SYS_sched_getscheduler, getcpu SYS_getcpu,
    // Processes, but for `clone`.
    vfork SYS_vfork, fork SYS_fork, execve SYS_execve, execveat SYS_execveat, wait4 SYS_wait4,
    waitid SYS_waitid, exit SYS_exit, exit_group SYS_exit_group,
};

/// Permitted if a condition holds.
pub const CONDITIONAL: &[(Calls, Condition)] = &[
    (calls! { clone SYS_clone }, Condition::Clone),
    (
        calls! { fcntl SYS_fcntl },
        Condition::OneOf(1, FCNTL_COMMANDS),
    ),
    (
        calls! { ioctl SYS_ioctl },
        Condition::OneOf(1, IOCTL_COMMANDS),
    ),
    (
        calls! { kill SYS_kill, tkill SYS_tkill },
        Condition::NotKilling(1),
    ),
    (calls! { tgkill SYS_tgkill }, Condition::NotKilling(2)),
    (calls! { setrlimit SYS_setrlimit }, Condition::SetLimit),
    (calls! { prlimit64 SYS_prlimit64 }, Condition::SetOrGetLimit),
];

/// On the arguments of a call, of which each has an index from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Killed if it makes a namespace, refused if the child's end sends a signal of its own choice.
    Clone,
    /// Allowed if the argument of this index, of 32 bits, is one of these, else refused.
    OneOf(u32, &'static [u32]),
    /// Refused if the argument of this index is SIGKILL. A fault whose handler another thread takes
    /// away strips the first process of a pid namespace of its protection, and a SIGKILL would then
    /// look like one from outside.
    NotKilling(u32),
    /// `setrlimit`: refused for limits that are fixed.
    SetLimit,
    /// `prlimit64`: refused for setting limits that are fixed.
    SetOrGetLimit,
}

/// Commands of `fcntl` that are permitted: on descriptors and their flags, locks, and to ask for a
/// pipe's size. Among the others are the setting of that size (all jails of a machine share one
/// allowance of it), leases (whoever opens a file with one on it waits for its holder, for up to a
/// minute) and the choice of a signal, which may be SIGKILL.
pub const FCNTL_COMMANDS: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032];

/// Commands of `ioctl` that are permitted: FIONREAD, FIOCLEX, FIONCLEX, FIONBIO, TCGETS,
/// TIOCGWINSZ.
pub const IOCTL_COMMANDS: &[u32] = &[0x541b, 0x5451, 0x5450, 0x5421, 0x5401, 0x5413];

/// RLIMIT_CPU, since the kernel's SIGKILL for it would look like one from outside, and RLIMIT_CORE,
/// which to lower from 1 to 0 would start the machine's crash handler.
pub const FIXED_LIMITS: [u32; 2] = [0, 4];

/// The low byte of `clone`'s flags, the signal that the child's end sends.
pub const EXIT_SIGNAL_MASK: u32 = 0xff;
/// None, for a thread, and SIGCHLD.
pub const EXIT_SIGNALS: [u32; 2] = [0, 17];

pub const SIGKILL: u32 = 9;

/// Flags of `clone` that make a namespace: mount, cgroup, uts, ipc, user, pid and net.
pub const NAMESPACE_FLAGS: u32 =
    0x2_0000 | 0x200_0000 | 0x400_0000 | 0x800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;

/// What the zygote, and a child on its way to a candidate, must be able to call.
pub const ZYGOTES_OWN: Calls = calls! {
    sendmsg SYS_sendmsg, sendto SYS_sendto, recvmsg SYS_recvmsg, getsockname SYS_getsockname,
    getsockopt SYS_getsockopt, unshare SYS_unshare, setns SYS_setns, mount SYS_mount,
    pidfd_open SYS_pidfd_open, setrlimit SYS_setrlimit, prlimit64 SYS_prlimit64, capset SYS_capset,
    prctl SYS_prctl,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_in_two_lists() {
        let lists = [FORBIDDEN, REFUSED, IGNORED, ALLOWED].into_iter();
        let mut numbers: Vec<i64> = lists
            .chain(CONDITIONAL.iter().map(|(calls, _)| *calls))
            .flat_map(|calls| calls.iter().map(|call| call.number))
            .collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
