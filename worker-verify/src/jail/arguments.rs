//! What nsjail and the zygote are told: namespaces, mounts, limits. With `policy.rs`, everything that isolates is here.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::Path};

use nix::unistd::{getegid, geteuid};

use crate::jail::policy;
use crate::jail::python::Interpreter;
use crate::sandbox::Limits;

/// Nobody, inside and, where we may choose, outside.
const NOBODY: u32 = 65534;
/// The scratch folder, the only place that can be written to.
const SCRATCH: &str = "/tmp";
const SCRATCH_BYTES: u64 = 8 << 20;
const SCRATCH_INODES: u32 = 64;
/// Processes and threads together.
const MAX_PROCESSES: u64 = 16;
const MAX_FILES: u64 = 64;
const STACK_BYTES: u64 = 8 << 20;

/// The descriptors nsjail gets beside the standard ones.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// Passed on into the jail: the cold runner's result pipe, or the zygote's control socket.
    pub passed: i32,
    /// Kept by nsjail, for its own log; at its usual level, at which it tells how the candidate ended.
    pub log: i32,
}

/// The whole command line after `nsjail` for one candidate.
pub fn arguments(
    python: &Interpreter,
    runner: &str,
    limits: &Limits,
    fds: Descriptors,
) -> Vec<OsString> {
    let mut list = Arguments(Vec::with_capacity(128));
    isolation(&mut list, fds);
    list.pair("--mount", format!("none:{SCRATCH}:tmpfs:{}", scratch()))
        .pair("--seccomp_string", policy::text());
    resources(&mut list, limits);
    interpreter(list, python, runner, fds)
}

/// The whole command line after `nsjail` for a zygote. It keeps two capabilities within its user namespace, to make
/// namespaces and to drop them for good in every child, and lives as long as its control socket.
pub fn zygote_arguments(python: &Interpreter, program: &str, fds: Descriptors) -> Vec<OsString> {
    let mut list = Arguments(Vec::with_capacity(128));
    isolation(&mut list, fds);
    list.pair("--cap", "CAP_SYS_ADMIN")
        .pair("--cap", "CAP_SETPCAP");
    // What every child mounts its own scratch folder over.
    list.pair(
        "--mount",
        format!("none:{SCRATCH}:tmpfs:size=4096,nr_inodes=1"),
    );
    for limit in ["as", "cpu", "nproc"] {
        list.pair(&format!("--rlimit_{limit}"), "hard");
    }
    constant_resources(&mut list);
    // Symbols are looked up once, not in every child.
    list.pair("--time_limit", 0).pair("--env", "LD_BIND_NOW=1");
    interpreter(list, python, program, fds)
}

/// What a zygote sets for one child: CPU seconds, address space and processes, in the order of `zygote.py`. The other limits a
/// child inherits. The zygote itself counts as a process of the same user.
pub fn child_limits(limits: &Limits) -> [u64; 3] {
    [cpu_seconds(limits), limits.memory_bytes, MAX_PROCESSES + 1]
}

/// The options of the scratch folder's tmpfs.
pub fn scratch() -> String {
    format!("size={SCRATCH_BYTES},nr_inodes={SCRATCH_INODES}")
}

/// Addresses are not randomised: the order of a set can depend on them, and verdicts must repeat.
///
/// nsjail makes new user, pid, mount, net, ipc, uts and cgroup namespaces, drops all capabilities, sets no_new_privs, makes a session and clears
/// the environment unless told otherwise.
fn isolation(list: &mut Arguments, fds: Descriptors) {
    list.pair("--log_fd", fds.log).pair("--pass_fd", fds.passed);
    list.pair("--mode", "o")
        .flag("--disable_proc")
        .flag("--iface_no_lo")
        .pair("--hostname", "candidate");
    list.flag("--persona_addr_no_randomize");
    // The C library would reserve 64 MiB of the address space, which is limited, for every thread.
    list.pair("--env", "MALLOC_ARENA_MAX=1");
    let (user, group) = outer_ids();
    list.pair("--user", format!("{NOBODY}:{user}:1"))
        .pair("--group", format!("{NOBODY}:{group}:1"));
    list.pair("--cwd", SCRATCH)
        .pair("--env", "PYTHONHASHSEED=0");
}

/// The user and the group that candidates are outside the jail.
pub fn outer_ids() -> (u32, u32) {
    if geteuid().is_root() {
        (NOBODY, NOBODY)
    } else {
        (geteuid().as_raw(), getegid().as_raw())
    }
}

fn interpreter(
    mut list: Arguments,
    python: &Interpreter,
    program: &str,
    fds: Descriptors,
) -> Vec<OsString> {
    for path in &python.binds {
        list.bind(path);
    }
    list.flag("--")
        .path(&python.executable)
        .flag("-s")
        .flag("-P")
        .flag("-S")
        .flag("-B")
        .pair("-c", program)
        .flag(&fds.passed.to_string());
    list.0
}

/// The kernel's own limit, in whole seconds, behind the one that is watched from outside.
fn cpu_seconds(limits: &Limits) -> u64 {
    limits.cpu.as_secs() + 2
}

fn resources(list: &mut Arguments, limits: &Limits) {
    list.pair("--rlimit_as", limits.memory_bytes.div_ceil(1 << 20))
        .pair("--rlimit_cpu", cpu_seconds(limits));
    list.pair("--rlimit_nproc", MAX_PROCESSES)
        .pair("--time_limit", limits.wall().as_secs() + 60);
    constant_resources(list);
}

/// What is the same for every candidate, and harms no zygote. The size of core files is what nsjail got from
/// `process::forbid_core_files`.
fn constant_resources(list: &mut Arguments) {
    list.pair("--rlimit_fsize", SCRATCH_BYTES >> 20)
        .pair("--rlimit_nofile", MAX_FILES)
        .pair("--rlimit_stack", STACK_BYTES >> 20);
    list.pair("--rlimit_core", "hard")
        .pair("--rlimit_memlock", 0)
        .pair("--rlimit_msgqueue", 0)
        .pair("--nice_level", 0);
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
