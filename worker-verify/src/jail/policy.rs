//! Which system calls a candidate may make: one table, in the two forms it is needed in. nsjail takes text (the cold path), a
//! forked child takes a program for the kernel (the warm path). Knows x86-64 only; any other architecture's calls are killed.
//!
//! What the table does not name, `clone3` among it, does not exist (ENOSYS), so that a system call the kernel learns tomorrow is
//! not allowed by being unknown. The limit on CPU time (resource 0) can't be changed: the kernel's SIGKILL for it would look
//! like one from outside. Nor can SIGKILL be sent: a fault whose handler another thread takes away strips the first process of a pid
//! namespace of its protection. The limit on core files (resource 4) can't be lowered from 1 to 0, which starts a crash handler.

use std::collections::BTreeMap;

use nix::libc;

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

/// Answered with success, and nothing done: what is written here need not last, and others need not wait for the disk.
const IGNORED: Calls = calls! { fsync SYS_fsync, fdatasync SYS_fdatasync };

/// Permitted. What is so with conditions is not here: see `table`.
const ALLOWED: Calls = calls! {
    read SYS_read, write SYS_write, readv SYS_readv, writev SYS_writev, pread64 SYS_pread64, pwrite64 SYS_pwrite64, open SYS_open,
    openat SYS_openat, creat SYS_creat, close SYS_close, close_range SYS_close_range, lseek SYS_lseek, newstat SYS_stat,
    newfstat SYS_fstat, newlstat SYS_lstat, newfstatat SYS_newfstatat, statx SYS_statx, statfs SYS_statfs, fstatfs SYS_fstatfs,
    access SYS_access, faccessat SYS_faccessat, faccessat2 SYS_faccessat2, readlink SYS_readlink, readlinkat SYS_readlinkat,
    getcwd SYS_getcwd, chdir SYS_chdir, fchdir SYS_fchdir, getdents SYS_getdents, getdents64 SYS_getdents64, mkdir SYS_mkdir,
    mkdirat SYS_mkdirat, rmdir SYS_rmdir, unlink SYS_unlink, unlinkat SYS_unlinkat, rename SYS_rename, renameat SYS_renameat,
    renameat2 SYS_renameat2, link SYS_link, linkat SYS_linkat, symlink SYS_symlink, symlinkat SYS_symlinkat, chmod SYS_chmod,
    fchmod SYS_fchmod, fchmodat SYS_fchmodat, chown SYS_chown, fchown SYS_fchown, lchown SYS_lchown, fchownat SYS_fchownat,
    umask SYS_umask, truncate SYS_truncate, ftruncate SYS_ftruncate, fallocate SYS_fallocate,
    flock SYS_flock, utime SYS_utime, utimes SYS_utimes, utimensat SYS_utimensat, futimesat SYS_futimesat,
    copy_file_range SYS_copy_file_range, sendfile64 SYS_sendfile, dup SYS_dup, dup2 SYS_dup2,
    dup3 SYS_dup3, pipe SYS_pipe, pipe2 SYS_pipe2, poll SYS_poll, ppoll SYS_ppoll, select SYS_select, pselect6 SYS_pselect6,
    epoll_create SYS_epoll_create, epoll_create1 SYS_epoll_create1, epoll_ctl SYS_epoll_ctl, epoll_wait SYS_epoll_wait,
    epoll_pwait SYS_epoll_pwait, eventfd SYS_eventfd, eventfd2 SYS_eventfd2, mmap SYS_mmap, munmap SYS_munmap, mprotect SYS_mprotect,
    mremap SYS_mremap, madvise SYS_madvise, mincore SYS_mincore, msync SYS_msync, brk SYS_brk, rt_sigaction SYS_rt_sigaction,
    rt_sigprocmask SYS_rt_sigprocmask, rt_sigreturn SYS_rt_sigreturn, rt_sigpending SYS_rt_sigpending, rt_sigsuspend SYS_rt_sigsuspend,
    rt_sigtimedwait SYS_rt_sigtimedwait, sigaltstack SYS_sigaltstack, pause SYS_pause, alarm SYS_alarm, setitimer SYS_setitimer,
    getitimer SYS_getitimer, futex SYS_futex,
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

/// Commands of `fcntl` that are permitted: on descriptors and their flags, locks, and to ask for a pipe's size. Among the others are the
/// setting of that size (all jails of a machine share one allowance of it), leases (whoever opens a file with one on it waits for its holder,
/// for up to a minute) and the choice of a signal, which may be SIGKILL.
const CONTROLS: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032];

/// Commands of `ioctl` that are permitted: FIONREAD, FIOCLEX, FIONCLEX, FIONBIO, TCGETS, TIOCGWINSZ.
const DEVICE_CONTROLS: &[u32] = &[0x541b, 0x5451, 0x5450, 0x5421, 0x5401, 0x5413];

/// Limits that can't be changed: CPU time and core files.
const FIXED_LIMITS: [u32; 2] = [0, 4];

/// The low byte of `clone`'s flags, the signal that the child's end sends.
const EXIT_SIGNAL: u32 = 0xff;
/// None, for a thread, and SIGCHLD.
const EXIT_SIGNALS: [u32; 2] = [0, 17];

const SIGKILL: u32 = 9;

/// Flags of `clone` that make a namespace: `forbidden`.
const NAMESPACE_FLAGS: [u32; 7] = [
    0x2_0000,
    0x200_0000,
    0x400_0000,
    0x800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];

/// The policy in nsjail's language.
pub fn text() -> String {
    let names = |calls: Calls| {
        calls
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let flags: u32 = NAMESPACE_FLAGS.iter().sum();
    let any = |what: &str, of: &[u32]| {
        of.iter()
            .map(|value| format!("{what} == {value}"))
            .collect::<Vec<_>>()
            .join(" || ")
    };
    let none = |what: &str, of: &[u32]| {
        of.iter()
            .map(|value| format!("{what} != {value}"))
            .collect::<Vec<_>>()
            .join(" && ")
    };
    let (fixed, changeable) = (
        any("resource", &FIXED_LIMITS),
        none("resource", &FIXED_LIMITS),
    );
    let exit_signal = format!("(clone_flags & {EXIT_SIGNAL})");
    let (plain, special) = (
        any(&exit_signal, &EXIT_SIGNALS),
        none(&exit_signal, &EXIT_SIGNALS),
    );
    format!(
        "POLICY candidate {{
            KILL_PROCESS {{ {}, clone {{ (clone_flags & {flags}) != 0 }} }},
            ERRNO({}) {{
                {}, setrlimit {{ {fixed} }}, prlimit64 {{ ({fixed}) && new_rlim != 0 }},
                kill {{ sig == {SIGKILL} }}, tkill {{ sig == {SIGKILL} }}, tgkill {{ sig == {SIGKILL} }},
                clone {{ (clone_flags & {flags}) == 0 && {special} }}, fcntl {{ {} }}, ioctl {{ {} }}
            }},
            ERRNO(0) {{ {} }},
            ALLOW {{
                {}, setrlimit {{ {changeable} }}, prlimit64 {{ ({changeable}) || new_rlim == 0 }},
                kill {{ sig != {SIGKILL} }}, tkill {{ sig != {SIGKILL} }}, tgkill {{ sig != {SIGKILL} }},
                clone {{ (clone_flags & {flags}) == 0 && ({plain}) }}, fcntl {{ {} }}, ioctl {{ {} }}
            }}
        }}
        USE candidate DEFAULT ERRNO({})",
        names(FORBIDDEN),
        libc::EPERM,
        names(REFUSED),
        none("cmd", CONTROLS),
        none("cmd", DEVICE_CONTROLS),
        names(IGNORED),
        names(ALLOWED),
        any("cmd", CONTROLS),
        any("cmd", DEVICE_CONTROLS),
        libc::ENOSYS,
    )
}

/// What the kernel answers to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Allow,
    Errno(i32),
    Kill,
    /// `clone`: killed if it makes a namespace, refused if the child's end sends a signal of its own choice.
    Clone,
    /// Allowed if the argument of this index, of 32 bits, is one of these, else refused.
    OneOf(u32, &'static [u32]),
    /// Refused if the argument of this index is SIGKILL.
    Signal(u32),
    /// `setrlimit`: refused for what is fixed.
    SetLimit,
    /// `prlimit64`: refused for setting what is fixed.
    SetOrGetLimit,
}

/// What the zygote, and a child on its way to a candidate, must be able to call.
const OWN: Calls = calls! {
    sendmsg SYS_sendmsg, sendto SYS_sendto, recvmsg SYS_recvmsg, getsockname SYS_getsockname, getsockopt SYS_getsockopt,
    unshare SYS_unshare, setns SYS_setns, mount SYS_mount, pidfd_open SYS_pidfd_open, setrlimit SYS_setrlimit,
    prlimit64 SYS_prlimit64, capset SYS_capset, prctl SYS_prctl,
};

/// The policy as two programs for the kernel, of whose answers the stricter counts: the zygote installs the first, which leaves open
/// what is its own, once for all its children; a child closes that with the second, short one.
pub fn programs() -> [Vec<u8>; 2] {
    let (mut first, mut second) = (table(), BTreeMap::new());
    for (_, number) in OWN {
        let number = numbered(*number);
        second.insert(
            number,
            first.insert(number, Answer::Allow).unwrap_or(UNKNOWN),
        );
    }
    [program(&first, UNKNOWN), program(&second, Answer::Allow)]
}

/// A search tree over ranges of numbers with the same answer: short to walk, for the kernel tries every number when it is installed.
fn program(table: &BTreeMap<u32, Answer>, otherwise: Answer) -> Vec<u8> {
    let load = |offset| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let mut code = vec![
        load(ARCHITECTURE),
        step(libc::BPF_JMP | libc::BPF_JEQ, 1, 0, X86_64),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
    ];
    code.push(load(NUMBER));
    code.extend(tree(&ranges(table, otherwise)));
    assert!(
        code.len() <= 4096,
        "the kernel takes at most 4096 instructions"
    );
    code.iter().flat_map(bytes).collect()
}

/// Offsets in the kernel's `seccomp_data`; arguments are 64 bits each, the low half first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// `AUDIT_ARCH_X86_64`
const X86_64: u32 = 0xC000_003E;

fn numbered(number: i64) -> u32 {
    u32::try_from(number).expect("numbers are small")
}

/// The answers to the calls that are named.
fn table() -> BTreeMap<u32, Answer> {
    let named = |calls: Calls, answer| calls.iter().map(move |(_, number)| (*number, answer));
    let special = [
        (libc::SYS_clone, Answer::Clone),
        (libc::SYS_fcntl, Answer::OneOf(1, CONTROLS)),
        (libc::SYS_ioctl, Answer::OneOf(1, DEVICE_CONTROLS)),
        (libc::SYS_kill, Answer::Signal(1)),
        (libc::SYS_tkill, Answer::Signal(1)),
        (libc::SYS_tgkill, Answer::Signal(2)),
        (libc::SYS_setrlimit, Answer::SetLimit),
        (libc::SYS_prlimit64, Answer::SetOrGetLimit),
    ];
    let all = named(FORBIDDEN, Answer::Kill)
        .chain(named(REFUSED, Answer::Errno(libc::EPERM)))
        .chain(named(ALLOWED, Answer::Allow));
    let all = all.chain(named(IGNORED, Answer::Errno(0)));
    all.chain(special)
        .map(|(number, answer)| (numbered(number), answer))
        .collect()
}

/// The first number of each range, and its answer up to the next range.
fn ranges(table: &BTreeMap<u32, Answer>, otherwise: Answer) -> Vec<(u32, Answer)> {
    let mut ranges = BTreeMap::from([(0, otherwise)]);
    for (number, answer) in table {
        ranges.insert(*number, *answer);
        ranges.insert(
            number + 1,
            table.get(&(number + 1)).copied().unwrap_or(otherwise),
        );
    }
    let mut ranges: Vec<_> = ranges.into_iter().collect();
    ranges.dedup_by_key(|(_, answer)| *answer);
    ranges
}

const UNKNOWN: Answer = Answer::Errno(libc::ENOSYS);

fn tree(ranges: &[(u32, Answer)]) -> Vec<libc::sock_filter> {
    if let [(_, answer)] = ranges {
        return leaf(*answer);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let low = tree(low);
    // A conditional jump reaches 255 steps, too few for a half of the table: it skips a far one.
    let far = step(
        libc::BPF_JMP | libc::BPF_JA,
        0,
        0,
        u32::try_from(low.len()).expect("a program is short"),
    );
    let mut code = vec![step(libc::BPF_JMP | libc::BPF_JGE, 0, 1, high[0].0), far];
    code.extend(low);
    code.extend(tree(high));
    code
}

fn leaf(answer: Answer) -> Vec<libc::sock_filter> {
    let argument = |index: u32, half: u32| {
        step(
            libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
            0,
            0,
            ARGUMENTS + 8 * index + 4 * half,
        )
    };
    let if_is =
        |value, then, otherwise| step(libc::BPF_JMP | libc::BPF_JEQ, then, otherwise, value);
    let (allow, kill) = (
        ret(libc::SECCOMP_RET_ALLOW),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
    );
    let errno = |number: i32| ret(libc::SECCOMP_RET_ERRNO | number.unsigned_abs());
    let flags = NAMESPACE_FLAGS.iter().sum();
    match answer {
        Answer::Allow => vec![allow],
        Answer::Errno(number) => vec![errno(number)],
        Answer::Kill => vec![kill],
        Answer::Clone => {
            let [none, child] = EXIT_SIGNALS;
            let makes_namespace = step(libc::BPF_JMP | libc::BPF_JSET, 5, 0, flags);
            let exit_signal = step(libc::BPF_ALU | libc::BPF_AND, 0, 0, EXIT_SIGNAL);
            vec![
                argument(0, 0),
                makes_namespace,
                exit_signal,
                if_is(none, 1, 0),
                if_is(child, 0, 1),
                allow,
                errno(libc::EPERM),
                kill,
            ]
        }
        Answer::OneOf(index, values) => {
            let to_allow = (1..=u8::try_from(values.len()).expect("few values")).rev();
            let tests = values
                .iter()
                .zip(to_allow)
                .map(|(value, steps)| if_is(*value, steps, 0));
            [argument(index, 0)]
                .into_iter()
                .chain(tests)
                .chain([errno(libc::EPERM), allow])
                .collect()
        }
        Answer::Signal(index) => vec![
            argument(index, 0),
            if_is(SIGKILL, 0, 1),
            errno(libc::EPERM),
            allow,
        ],
        Answer::SetLimit => {
            let [time, core] = FIXED_LIMITS;
            vec![
                argument(0, 0),
                if_is(time, 1, 0),
                if_is(core, 0, 1),
                errno(libc::EPERM),
                allow,
            ]
        }
        // Refused if the resource is fixed and either half of the pointer to the new limit is not null.
        Answer::SetOrGetLimit => {
            let [time, core] = FIXED_LIMITS;
            let is_fixed = [argument(1, 0), if_is(time, 1, 0), if_is(core, 0, 5)];
            let is_null = [
                argument(2, 0),
                if_is(0, 0, 2),
                argument(2, 1),
                if_is(0, 1, 0),
            ];
            [is_fixed.as_slice(), &is_null, &[errno(libc::EPERM), allow]].concat()
        }
    }
}

fn ret(action: u32) -> libc::sock_filter {
    step(libc::BPF_RET | libc::BPF_K, 0, 0, action)
}

fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: u16::try_from(code).expect("codes have 16 bits"),
        jt,
        jf,
        k,
    }
}

fn bytes(step: &libc::sock_filter) -> [u8; 8] {
    let ([c0, c1], [k0, k1, k2, k3]) = (step.code.to_le_bytes(), step.k.to_le_bytes());
    [c0, c1, step.jt, step.jf, k0, k1, k2, k3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer a candidate: the stricter of both programs' answers, which in the kernel's order is the lower one.
    fn run(number: u32, arguments: [u64; 3]) -> u32 {
        let [first, second] = programs().map(|program| answer(&program, number, arguments));
        if first.cast_signed() <= second.cast_signed() {
            first
        } else {
            second
        }
    }

    /// Runs one program on one call.
    fn answer(program: &[u8], number: u32, arguments: [u64; 3]) -> u32 {
        let word = |at: u32| match at {
            NUMBER => number,
            ARCHITECTURE => X86_64,
            at => (arguments[(at as usize - 16) / 8] >> (8 * ((at - 16) % 8))) as u32,
        };
        let (mut at, mut accumulator) = (0usize, 0u32);
        loop {
            let step = &program[8 * at..8 * at + 8];
            let (code, k) = (
                u32::from(u16::from_le_bytes([step[0], step[1]])),
                u32::from_le_bytes(step[4..].try_into().unwrap()),
            );
            let jump = |condition: bool| usize::from(if condition { step[2] } else { step[3] });
            at += 1;
            match (code & 7, code & 0xf0) {
                (libc::BPF_LD, _) => accumulator = word(k),
                (libc::BPF_ALU, libc::BPF_AND) => accumulator &= k,
                (libc::BPF_RET, _) => return k,
                (libc::BPF_JMP, libc::BPF_JA) => at += k as usize,
                (libc::BPF_JMP, libc::BPF_JEQ) => at += jump(accumulator == k),
                (libc::BPF_JMP, libc::BPF_JGE) => at += jump(accumulator >= k),
                (libc::BPF_JMP, libc::BPF_JSET) => at += jump(accumulator & k != 0),
                other => panic!("{other:?}"),
            }
        }
    }

    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | 1;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | 38;
    const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

    #[test]
    fn every_number_gets_the_answer_of_the_table() {
        let limits = [libc::SYS_setrlimit, libc::SYS_prlimit64];
        let signals = [libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill];
        let special = [
            &[libc::SYS_clone, libc::SYS_fcntl, libc::SYS_ioctl],
            &limits[..],
            &signals,
        ]
        .concat();
        let has = |calls: Calls, number: i64| calls.iter().any(|(_, known)| *known == number);
        for number in (0..1000)
            .chain(0x4000_0000..0x4000_0400)
            .chain([i64::from(u32::MAX)])
            .filter(|n| !special.contains(n))
        {
            let want = match number {
                n if has(FORBIDDEN, n) => KILL,
                n if has(REFUSED, n) => EPERM,
                n if has(IGNORED, n) => libc::SECCOMP_RET_ERRNO,
                n if has(ALLOWED, n) => ALLOW,
                _ => ENOSYS,
            };
            assert_eq!(
                run(u32::try_from(number).unwrap(), [0; 3]),
                want,
                "{number}"
            );
        }
    }

    #[test]
    fn the_first_program_alone_lets_the_zygote_work_and_nothing_more() {
        let [first, _] = programs();
        for number in 0..1000 {
            let own = OWN.iter().any(|(_, known)| *known == i64::from(number));
            let want = if own { ALLOW } else { run(number, [0; 3]) };
            assert_eq!(answer(&first, number, [0; 3]), want, "{number}");
        }
    }

    #[test]
    fn arguments_decide_where_they_must() {
        assert_eq!(
            (
                run(56, [17, 0, 0]),
                run(56, [0x1000_0011, 0, 0]),
                run(56, [0x2_0000 | 1 << 40, 0, 0])
            ),
            (ALLOW, KILL, KILL)
        );
        assert_eq!(
            [0, 1, 17, 0x3d_0f00, 9, 0x109, 18].map(|flags| run(56, [flags, 0, 0])),
            [ALLOW, EPERM, ALLOW, ALLOW, EPERM, EPERM, EPERM]
        );
        for command in 0..1100 {
            let want = if CONTROLS.contains(&command) {
                ALLOW
            } else {
                EPERM
            };
            assert_eq!(
                (
                    run(72, [3, command.into(), 9]),
                    run(72, [3, 1 << 32 | u64::from(command), 9])
                ),
                (want, want),
                "{command}"
            );
        }
        assert_eq!(
            [0x541b, 0x5401, 0x5413, 0x5412, 1].map(|command| run(16, [0, command, 0])),
            [ALLOW, ALLOW, ALLOW, EPERM, EPERM]
        );
        for (number, at) in [(62, 1), (200, 1), (234, 2)] {
            let signal = |signal| {
                run(
                    number,
                    std::array::from_fn(|index| if index == at { signal } else { 9 }),
                )
            };
            assert_eq!(
                [9, 1 << 32 | 9, 15, 0].map(signal),
                [EPERM, EPERM, ALLOW, ALLOW],
                "{number}"
            );
        }
        assert_eq!(
            (
                run(160, [4, 1, 0]),
                run(302, [0, 4, 1]),
                run(302, [0, 4, 1 << 32]),
                run(302, [0, 4, 0])
            ),
            (EPERM, EPERM, EPERM, ALLOW)
        );
        assert_eq!(
            (
                run(160, [0, 1, 0]),
                run(160, [1 << 32, 1, 0]),
                run(160, [7, 1, 0])
            ),
            (EPERM, EPERM, ALLOW)
        );
        assert_eq!(
            (
                run(302, [0, 0, 1]),
                run(302, [0, 1 << 32, 1 << 32]),
                run(302, [0, 0, 0]),
                run(302, [0, 7, 1])
            ),
            (EPERM, EPERM, ALLOW, ALLOW)
        );
    }

    #[test]
    fn no_call_is_in_two_lists() {
        let mut numbers: Vec<i64> = [FORBIDDEN, REFUSED, IGNORED, ALLOWED]
            .iter()
            .flat_map(|calls| calls.iter().map(|(_, number)| *number))
            .collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
