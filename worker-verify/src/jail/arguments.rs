//! What nsjail and the zygote are told: namespaces, mounts, limits. With `policy/`, everything that
//! isolates is here.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::Path};

use nix::unistd::{getegid, geteuid};

use crate::{
    jail::{policy, python::Interpreter},
    sandbox::Limits,
};

/// The user and group "nobody": candidates inside and, where we may choose, outside.
const NOBODY: u32 = 65534;
/// The scratch folder, the only place that can be written to.
const SCRATCH: &str = "/tmp";
const SCRATCH_BYTES: u64 = 8 << 20;
const SCRATCH_INODES: u32 = 64;
/// Processes and threads of a candidate together.
pub const MAX_PROCESSES: u64 = 16;
const MAX_OPEN_FILES: u64 = 64;
/// The kernel's own limit on CPU time is this far behind the one that is watched from outside.
const CPU_MARGIN_SECONDS: u64 = 2;
/// nsjail's own limit on elapsed time is this far behind the one that is watched from outside.
const WALL_MARGIN_SECONDS: u64 = 60;
/// An argument list never grows beyond this, so that it is allocated once.
const ARGUMENTS_ROOM: usize = 128;
const STACK_BYTES: u64 = 8 << 20;

/// The descriptors nsjail gets beside the standard ones.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// Passed on into the jail: the cold runner's result pipe, or the zygote's control socket.
    pub passed: i32,
    /// Kept by nsjail, for its own log; at its usual level, at which it tells how the candidate
    /// ended.
    pub log: i32,
}

/// The whole command line after `nsjail` for one candidate.
pub fn arguments(
    python: &Interpreter,
    program: &str,
    limits: &Limits,
    fds: Descriptors,
) -> Vec<OsString> {
    let mut list = Arguments(Vec::with_capacity(ARGUMENTS_ROOM));
    list.isolate(fds);
    let scratch = format!("none:{SCRATCH}:tmpfs:{}", scratch_options());
    list.pair("--mount", scratch)
        .pair("--seccomp_string", policy::text());
    list.pair("--rlimit_as", limits.memory_bytes.div_ceil(1 << 20))
        .pair("--rlimit_cpu", cpu_seconds(limits))
        .pair("--rlimit_nproc", MAX_PROCESSES)
        .pair(
            "--time_limit",
            limits.wall().as_secs() + WALL_MARGIN_SECONDS,
        );
    list.limit_what_is_always_the_same();
    list.interpreter(python, program, fds);
    list.0
}

/// The whole command line after `nsjail` for a zygote. It keeps two capabilities within its user
/// namespace, to make namespaces and to drop them for good in every child, and lives as long as its
/// control socket.
pub fn zygote_arguments(python: &Interpreter, program: &str, fds: Descriptors) -> Vec<OsString> {
    let mut list = Arguments(Vec::with_capacity(ARGUMENTS_ROOM));
    list.isolate(fds);
    list.pair("--cap", "CAP_SYS_ADMIN")
        .pair("--cap", "CAP_SETPCAP");
    // Every child mounts its own scratch folder over this one.
    let scratch = format!("none:{SCRATCH}:tmpfs:size=4096,nr_inodes=1");
    list.pair("--mount", scratch);
    // The zygote lowers these in every child, and needs its own for many runs.
    for limit in ["as", "cpu", "nproc"] {
        list.pair(&format!("--rlimit_{limit}"), "hard");
    }
    list.limit_what_is_always_the_same();
    // Symbols are looked up once, not in every child.
    list.pair("--time_limit", 0).pair("--env", "LD_BIND_NOW=1");
    list.interpreter(python, program, fds);
    list.0
}

/// What a zygote sets for one child: CPU seconds, address space and processes, in the order of
/// `zygote.py`. The other limits a child inherits. The zygote itself counts as a process of the
/// same user.
pub fn child_limits(limits: &Limits) -> [u64; 3] {
    [cpu_seconds(limits), limits.memory_bytes, MAX_PROCESSES + 1]
}

/// The options of the scratch folder's tmpfs.
pub fn scratch_options() -> String {
    format!("size={SCRATCH_BYTES},nr_inodes={SCRATCH_INODES}")
}

/// The user and the group that candidates are outside the jail.
pub fn outer_ids() -> (u32, u32) {
    if geteuid().is_root() {
        (NOBODY, NOBODY)
    } else {
        (geteuid().as_raw(), getegid().as_raw())
    }
}

/// In whole seconds, as the kernel counts them.
fn cpu_seconds(limits: &Limits) -> u64 {
    limits.cpu.as_secs() + CPU_MARGIN_SECONDS
}

struct Arguments(Vec<OsString>);

impl Arguments {
    /// nsjail makes new user, pid, mount, net, ipc, uts and cgroup namespaces, drops all
    /// capabilities, sets no_new_privs, makes a session and clears the environment unless told
    /// otherwise.
    fn isolate(&mut self, fds: Descriptors) {
        let (user, group) = outer_ids();
        self.pair("--log_fd", fds.log)
            .pair("--pass_fd", fds.passed)
            // Run once, in the foreground: nsjail ends with its child.
            .pair("--mode", "o")
            .flag("--disable_proc")
            .flag("--iface_no_lo")
            .pair("--hostname", "candidate");
        // The order of a set can depend on addresses, and verdicts must repeat.
        self.flag("--persona_addr_no_randomize")
            .pair("--env", "PYTHONHASHSEED=0");
        // The C library would reserve 64 MiB of the address space, which is limited, for every
        // thread.
        self.pair("--env", "MALLOC_ARENA_MAX=1");
        self.pair("--user", format!("{NOBODY}:{user}:1"))
            .pair("--group", format!("{NOBODY}:{group}:1"))
            .pair("--cwd", SCRATCH);
    }

    /// Limits that every candidate has and that harm no zygote. The size of core files is what
    /// nsjail got from `process::forbid_core_files`.
    fn limit_what_is_always_the_same(&mut self) {
        self.pair("--rlimit_fsize", SCRATCH_BYTES >> 20)
            .pair("--rlimit_nofile", MAX_OPEN_FILES)
            .pair("--rlimit_stack", STACK_BYTES >> 20)
            .pair("--rlimit_core", "hard")
            .pair("--rlimit_memlock", 0)
            .pair("--rlimit_msgqueue", 0)
            .pair("--nice_level", 0);
    }

    /// What runs in the jail. Python's options keep it from everything but its standard library: no
    /// user's and no site's packages, no folder of the script, and no files of bytecode.
    fn interpreter(&mut self, python: &Interpreter, program: &str, fds: Descriptors) {
        for path in &python.binds {
            self.bind(path);
        }
        self.flag("--").path(&python.executable);
        for option in ["-s", "-P", "-S", "-B"] {
            self.flag(option);
        }
        self.pair("-c", program).flag(&fds.passed.to_string());
    }

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

    /// A read-only bind at the same place. A colon would split the argument; `Interpreter::inspect`
    /// refuses such paths.
    fn bind(&mut self, path: &Path) -> &mut Self {
        debug_assert!(!path.as_os_str().as_bytes().contains(&b':'));
        self.flag("--bindmount_ro").path(path)
    }
}
