//! Which system calls a candidate may make: one table, in the two forms it is needed in. nsjail takes text (the cold path), a
//! forked child takes programs for the kernel (the warm path). Knows x86-64 only; any other architecture's calls are killed.
//!
//! What the table does not name, `clone3` among it, does not exist (ENOSYS), so that a system call the kernel learns tomorrow is
//! not allowed by being unknown. The limit on CPU time (resource 0) can't be changed: the kernel's SIGKILL for it would look
//! like one from outside.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen,
    SeccompCmpArgLen::{Dword, Qword},
    SeccompCmpOp,
    SeccompCmpOp::{Eq, Ne},
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// System calls by the names that nsjail knows them by, with their numbers.
type Calls = &'static [(&'static str, i64)];

macro_rules! calls {
    ($($name:ident $number:ident),+ $(,)?) => { &[$((stringify!($name), libc::$number)),+] };
}

/// Killed for: `forbidden`.
const FORBIDDEN: Calls = calls! {
    ptrace SYS_ptrace, process_vm_readv SYS_process_vm_readv, process_vm_writev SYS_process_vm_writev,
    process_madvise SYS_process_madvise, pidfd_getfd SYS_pidfd_getfd, kcmp SYS_kcmp, bpf SYS_bpf, perf_event_open SYS_perf_event_open,
    userfaultfd SYS_userfaultfd, io_uring_setup SYS_io_uring_setup, io_uring_enter SYS_io_uring_enter,
    io_uring_register SYS_io_uring_register, keyctl SYS_keyctl, add_key SYS_add_key, request_key SYS_request_key, mount SYS_mount,
    umount SYS_umount2, pivot_root SYS_pivot_root, chroot SYS_chroot, fsopen SYS_fsopen, fsmount SYS_fsmount, fsconfig SYS_fsconfig,
    fspick SYS_fspick, move_mount SYS_move_mount, open_tree SYS_open_tree, mount_setattr SYS_mount_setattr, unshare SYS_unshare,
    setns SYS_setns, open_by_handle_at SYS_open_by_handle_at, name_to_handle_at SYS_name_to_handle_at, kexec_load SYS_kexec_load,
    kexec_file_load SYS_kexec_file_load, init_module SYS_init_module, finit_module SYS_finit_module, delete_module SYS_delete_module,
    reboot SYS_reboot, swapon SYS_swapon, swapoff SYS_swapoff, acct SYS_acct, quotactl SYS_quotactl, syslog SYS_syslog, iopl SYS_iopl,
    ioperm SYS_ioperm, modify_ldt SYS_modify_ldt, settimeofday SYS_settimeofday, clock_settime SYS_clock_settime,
    sethostname SYS_sethostname, setdomainname SYS_setdomainname,
};

/// Answered with "not permitted" (EPERM).
const REFUSED: Calls = calls! {
    socket SYS_socket, socketpair SYS_socketpair, connect SYS_connect, bind SYS_bind, listen SYS_listen, accept SYS_accept,
    accept4 SYS_accept4, sendto SYS_sendto, recvfrom SYS_recvfrom, sendmsg SYS_sendmsg, recvmsg SYS_recvmsg, shmget SYS_shmget,
    shmat SYS_shmat, shmctl SYS_shmctl, semget SYS_semget, semop SYS_semop, semctl SYS_semctl, msgget SYS_msgget, msgsnd SYS_msgsnd,
    msgrcv SYS_msgrcv, msgctl SYS_msgctl, mq_open SYS_mq_open,
};

/// Permitted. `clone`, `setrlimit` and `prlimit64` are so with conditions.
const ALLOWED: Calls = calls! {
    read SYS_read, write SYS_write, readv SYS_readv, writev SYS_writev, pread64 SYS_pread64, pwrite64 SYS_pwrite64, open SYS_open,
    openat SYS_openat, creat SYS_creat, close SYS_close, close_range SYS_close_range, lseek SYS_lseek, newstat SYS_stat,
    newfstat SYS_fstat, newlstat SYS_lstat, newfstatat SYS_newfstatat, statx SYS_statx, statfs SYS_statfs, fstatfs SYS_fstatfs,
    access SYS_access, faccessat SYS_faccessat, faccessat2 SYS_faccessat2, readlink SYS_readlink, readlinkat SYS_readlinkat,
    getcwd SYS_getcwd, chdir SYS_chdir, fchdir SYS_fchdir, getdents SYS_getdents, getdents64 SYS_getdents64, mkdir SYS_mkdir,
    mkdirat SYS_mkdirat, rmdir SYS_rmdir, unlink SYS_unlink, unlinkat SYS_unlinkat, rename SYS_rename, renameat SYS_renameat,
    renameat2 SYS_renameat2, link SYS_link, linkat SYS_linkat, symlink SYS_symlink, symlinkat SYS_symlinkat, chmod SYS_chmod,
    fchmod SYS_fchmod, fchmodat SYS_fchmodat, chown SYS_chown, fchown SYS_fchown, lchown SYS_lchown, fchownat SYS_fchownat,
    umask SYS_umask, truncate SYS_truncate, ftruncate SYS_ftruncate, fallocate SYS_fallocate, fsync SYS_fsync, fdatasync SYS_fdatasync,
    flock SYS_flock, utime SYS_utime, utimes SYS_utimes, utimensat SYS_utimensat, futimesat SYS_futimesat,
    copy_file_range SYS_copy_file_range, sendfile64 SYS_sendfile, fcntl SYS_fcntl, ioctl SYS_ioctl, dup SYS_dup, dup2 SYS_dup2,
    dup3 SYS_dup3, pipe SYS_pipe, pipe2 SYS_pipe2, poll SYS_poll, ppoll SYS_ppoll, select SYS_select, pselect6 SYS_pselect6,
    epoll_create SYS_epoll_create, epoll_create1 SYS_epoll_create1, epoll_ctl SYS_epoll_ctl, epoll_wait SYS_epoll_wait,
    epoll_pwait SYS_epoll_pwait, eventfd SYS_eventfd, eventfd2 SYS_eventfd2, mmap SYS_mmap, munmap SYS_munmap, mprotect SYS_mprotect,
    mremap SYS_mremap, madvise SYS_madvise, mincore SYS_mincore, msync SYS_msync, brk SYS_brk, rt_sigaction SYS_rt_sigaction,
    rt_sigprocmask SYS_rt_sigprocmask, rt_sigreturn SYS_rt_sigreturn, rt_sigpending SYS_rt_sigpending, rt_sigsuspend SYS_rt_sigsuspend,
    rt_sigtimedwait SYS_rt_sigtimedwait, sigaltstack SYS_sigaltstack, pause SYS_pause, kill SYS_kill, tkill SYS_tkill,
    tgkill SYS_tgkill, alarm SYS_alarm, setitimer SYS_setitimer, getitimer SYS_getitimer, futex SYS_futex,
    set_robust_list SYS_set_robust_list, get_robust_list SYS_get_robust_list, set_tid_address SYS_set_tid_address, rseq SYS_rseq,
    membarrier SYS_membarrier, arch_prctl SYS_arch_prctl, restart_syscall SYS_restart_syscall, getpid SYS_getpid, getppid SYS_getppid,
    gettid SYS_gettid, getuid SYS_getuid, geteuid SYS_geteuid, getgid SYS_getgid, getegid SYS_getegid, getgroups SYS_getgroups,
    getresuid SYS_getresuid, getresgid SYS_getresgid, setpgid SYS_setpgid, getpgid SYS_getpgid, getpgrp SYS_getpgrp, setsid SYS_setsid,
    getsid SYS_getsid, getpriority SYS_getpriority, setpriority SYS_setpriority, getrlimit SYS_getrlimit, getrusage SYS_getrusage,
    sysinfo SYS_sysinfo, newuname SYS_uname, times SYS_times, time SYS_time, gettimeofday SYS_gettimeofday,
    clock_gettime SYS_clock_gettime, clock_getres SYS_clock_getres, clock_nanosleep SYS_clock_nanosleep, nanosleep SYS_nanosleep,
    getrandom SYS_getrandom, sched_yield SYS_sched_yield, sched_getaffinity SYS_sched_getaffinity, sched_getparam SYS_sched_getparam,
    sched_getscheduler SYS_sched_getscheduler, getcpu SYS_getcpu, vfork SYS_vfork, fork SYS_fork, execve SYS_execve,
    execveat SYS_execveat, wait4 SYS_wait4, waitid SYS_waitid, exit SYS_exit, exit_group SYS_exit_group,
};

/// Flags of `clone` that make a namespace: `forbidden`.
const NAMESPACE_FLAGS: [u64; 7] = [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

/// The policy in nsjail's language.
pub fn text() -> String {
    let names = |calls: Calls| calls.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let flags: u64 = NAMESPACE_FLAGS.iter().sum();
    format!(
        "POLICY candidate {{
            KILL_PROCESS {{ {}, clone {{ (clone_flags & {flags}) != 0 }} }},
            ERRNO({}) {{ {}, setrlimit {{ resource == 0 }}, prlimit64 {{ resource == 0 && new_rlim != 0 }} }},
            ALLOW {{
                {}, clone {{ (clone_flags & {flags}) == 0 }},
                setrlimit {{ resource != 0 }}, prlimit64 {{ resource != 0 || new_rlim == 0 }}
            }}
        }}
        USE candidate DEFAULT ERRNO({})",
        names(FORBIDDEN),
        libc::EPERM,
        names(REFUSED),
        names(ALLOWED),
        libc::ENOSYS,
    )
}

/// The policy as programs for the kernel, each `length (u32) | code`, to be installed in this order. The kernel takes the
/// strictest answer of all of them.
///
/// # Errors
/// If the table can't be compiled.
pub fn programs() -> Result<Vec<u8>, BackendError> {
    let number = |name: i64, rules: Vec<SeccompRule>| (name, rules);
    let clone = NAMESPACE_FLAGS.iter().map(|flag| rule(vec![masked(*flag)?])).collect::<Result<Vec<_>, _>>()?;
    let limit = [
        number(libc::SYS_setrlimit, vec![rule(vec![argument(0, Dword, Eq, 0)?])?]),
        number(libc::SYS_prlimit64, vec![rule(vec![argument(1, Dword, Eq, 0)?, argument(2, Qword, Ne, 0)?])?]),
    ];
    let named = |calls: Calls| calls.iter().map(|(_, call)| (*call, Vec::new()));
    let conditional = [libc::SYS_clone, libc::SYS_setrlimit, libc::SYS_prlimit64];
    let known = named(ALLOWED).chain(named(REFUSED)).chain(conditional.map(|call| (call, Vec::new())));
    let not_permitted = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filters = [
        filter(named(FORBIDDEN).chain([number(libc::SYS_clone, clone)]).collect(), SeccompAction::Allow, SeccompAction::KillProcess)?,
        filter(named(REFUSED).chain(limit).collect(), SeccompAction::Allow, not_permitted)?,
        filter(known.collect(), SeccompAction::Errno(libc::ENOSYS.unsigned_abs()), SeccompAction::Allow)?,
    ];
    Ok(filters.iter().flat_map(bytes).collect())
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

fn argument(index: u8, length: SeccompCmpArgLen, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, length, operator, value)
}

/// The first argument has this flag.
fn masked(flag: u64) -> Result<SeccompCondition, BackendError> {
    argument(0, Qword, SeccompCmpOp::MaskedEq(flag), flag)
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, otherwise: SeccompAction, named: SeccompAction) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, named, TargetArch::x86_64)?.try_into()
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    let length = u32::try_from(8 * program.len()).expect("the kernel takes at most 4096 instructions");
    let mut out = length.to_le_bytes().to_vec();
    for step in program {
        out.extend(step.code.to_le_bytes());
        out.extend([step.jt, step.jf]);
        out.extend(step.k.to_le_bytes());
    }
    out
}
