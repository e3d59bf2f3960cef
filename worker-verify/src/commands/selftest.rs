//! Proves the sandbox before it is trusted: an honest candidate must pass and each attack must be
//! stopped, here, now, as this user. Whatever gets through, or can't be tried, is a reason not to
//! start.

use std::{fmt, sync::atomic::AtomicBool, time::Duration};

use groklab_domain::{Value, Verdict};

use crate::{
    jail::{
        Isolation,
        obstacle::{Obstacle, Surroundings, killed_by_a_filter, obstacle},
    },
    judge::{
        Case, Outcome, Submission,
        pool::{Pool, all_cores},
    },
    metrics::Metrics,
    sandbox::{Limits, Sandbox},
};

/// CPU time of a probe whose time runs out for certain: short, so that the whole stays quick.
const ENDLESS_PROBE_CPU: Duration = Duration::from_millis(250);
/// CPU time of the others: enough for a machine that is busy with other work.
const PROBE_CPU: Duration = Duration::from_secs(2);

/// One attempt: code that defines `solve()`, and what must come of it. Code that must pass returns
/// `"stopped"`.
struct Probe {
    name: &'static str,
    code: &'static str,
    must: &'static [Verdict],
}

/// For attempts that the sandbox answers with an error: the code itself reports it.
const STOPPED: &[Verdict] = &[Verdict::Passed];

/// Calls that the kernel does not have, and one of x32, a sub-architecture of x86-64.
const UNKNOWN_CALLS: &str = "system calls: the unknown does not exist";

const PROBES: &[Probe] = &[
    Probe {
        name: "an honest candidate passes",
        code: "def solve(): return 'stopped'",
        must: &[Verdict::Passed],
    },
    Probe {
        name: "a wrong answer fails",
        code: "def solve(): return 'wrong'",
        must: &[Verdict::WrongAnswer],
    },
    Probe {
        name: "network: sockets are refused",
        code: "
import socket
def solve():
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
        try: socket.socket(family, socket.SOCK_DGRAM)
        except PermissionError: continue
        return family.name
    return 'stopped'",
        must: STOPPED,
    },
    Probe {
        name: "files: nothing is writable but the scratch folder",
        code: "
import os
def solve():
    folders = ['/', '/usr', '/usr/lib', '/lib', '/lib64', '/dev/shm', '/proc', '/sys']
    for folder in folders + [os.path.dirname(os.__file__)]:
        try: open(folder + '/groklab-probe', 'w')
        except OSError: continue
        return folder
    open('/tmp/scratch', 'w').close()
    return 'stopped'",
        must: STOPPED,
    },
    Probe {
        name: "files: the machine's own are out of sight",
        code: "
import os
def solve():
    for path in ('/etc/passwd', '/proc/self/environ', '/proc/1/maps', '/sys/kernel', '/root',
                 '/home', '/dev', '/bin', '/var'):
        if os.path.exists(path): return path
    return 'stopped' if dict(os.environ) == {'PYTHONHASHSEED': '0'} else 'environment'",
        must: STOPPED,
    },
    Probe {
        name: "files: the scratch folder is small",
        code: "
def solve():
    try:
        for i in range(1000):
            with open(f'/tmp/{i}', 'wb') as file: file.write(b'x' * 1000000)
    except OSError: return 'stopped'",
        must: STOPPED,
    },
    Probe {
        name: "privilege: no user but nobody, and no way up",
        code: "
import os
def solve():
    # An unprivileged user can't give up its groups: each shows as nobody's.
    identity = (os.getpid(), {os.getuid(), os.getgid(), *os.getgroups()})
    if identity != (1, {65534}): return identity
    for call, arguments in ((os.setuid, (0,)), (os.setgid, (0,)),
                            (os.mknod, ('/tmp/d', 0o20600, 0x103))):
        try: call(*arguments)
        except OSError: continue
        return 'privilege'
    return 'stopped'",
        must: STOPPED,
    },
    Probe {
        name: "processes: a fork bomb is limited",
        code: "
import os, time
def solve():
    for i in range(200):
        try: child = os.fork()
        except OSError: return 'stopped'
        if child == 0:
            time.sleep(60)
            os._exit(0)",
        must: STOPPED,
    },
    Probe {
        name: "memory: a large allocation fails",
        code: "def solve(): return len(bytearray(8 << 30))",
        must: &[Verdict::OutOfMemory],
    },
    Probe {
        name: "time: an endless loop is ended",
        code: "def solve():\n    while True: pass",
        must: &[Verdict::Timeout],
    },
    Probe {
        name: "time: a sleep is ended",
        code: "import time\ndef solve(): time.sleep(60)",
        must: &[Verdict::Timeout],
    },
    Probe {
        name: "output: an endless print is ended",
        code: "def solve():\n    while True: print('x' * 10000)",
        must: &[Verdict::OutputLimit],
    },
    Probe {
        name: "verdict: leaving with status 0 is no pass",
        code: "import os\nos._exit(0)",
        must: &[Verdict::RuntimeError],
    },
    Probe {
        name: "verdict: an exit status is not taken for a signal",
        code: "import os\nos._exit(159)",
        must: &[Verdict::RuntimeError],
    },
    Probe {
        name: "verdict: no limit that ends it as if from outside",
        code: "
import resource
def solve():
    try: resource.setrlimit(resource.RLIMIT_CPU, (0, 0))
    except OSError: return 'stopped'
    except ValueError: return 'stopped'
    while True: pass",
        must: STOPPED,
    },
    Probe {
        name: "verdict: a subclass that equals everything is no pass",
        code: "
class Yes(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def solve(): return Yes('stopped')",
        must: &[Verdict::WrongAnswer],
    },
    Probe {
        name: "system calls: ptrace is forbidden",
        code: "import ctypes\ndef solve(): return ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)",
        must: &[Verdict::Forbidden],
    },
    Probe {
        name: "system calls: unshare is forbidden",
        code: "import ctypes\ndef solve(): return ctypes.CDLL(None).syscall(272, 0x10000000)",
        must: &[Verdict::Forbidden],
    },
    Probe {
        name: "system calls: clone into a namespace is forbidden",
        code: "
import ctypes
def solve(): return ctypes.CDLL(None).syscall(56, 0x10000011, 0, 0, 0, 0)",
        must: &[Verdict::Forbidden],
    },
    Probe {
        name: UNKNOWN_CALLS,
        code: "
import ctypes, errno
def solve():
    libc = ctypes.CDLL(None, use_errno=True)
    for number in (435, 447, 461, 0x40000000 + 39):
        if libc.syscall(number, 0, 0, 0) != -1: return number
        if ctypes.get_errno() != errno.ENOSYS: return number
    return 'stopped'",
        must: STOPPED,
    },
];

/// What got through, with what was seen.
#[derive(Debug, Clone)]
pub struct Breach {
    pub probe: &'static str,
    pub verdict: Verdict,
    pub details: String,
}

/// The sandbox does not hold here: the worker must not start.
#[derive(Debug, Clone, thiserror::Error)]
pub struct Failed {
    pub breaches: Vec<Breach>,
    /// What around the worker is in the way, if that is known.
    pub obstacle: Option<Obstacle>,
}

impl Failed {
    fn new(breaches: Vec<Breach>) -> Self {
        let around = Surroundings::look();
        let obstacle = breaches.iter().find_map(|breach| breach.obstacle(&around));
        Self { breaches, obstacle }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sandbox failed its self-test")?;
        if let Some(obstacle) = &self.obstacle {
            write!(f, ": {obstacle}")?;
        }
        for breach in &self.breaches {
            let Breach {
                probe,
                verdict,
                details,
            } = breach;
            write!(f, "; {probe}: {verdict} {details}")?;
        }
        Ok(())
    }
}

impl Breach {
    fn new(probe: &Probe, outcome: &Outcome) -> Self {
        let mut details = Vec::new();
        if let Some(failure) = &outcome.first_failure {
            details.extend(failure.got.as_deref());
        }
        details.extend(outcome.error.as_deref());
        Self {
            probe: probe.name,
            verdict: outcome.verdict,
            details: details.join("; "),
        }
    }

    fn obstacle(&self, around: &Surroundings) -> Option<Obstacle> {
        match self.verdict {
            Verdict::InfrastructureError => obstacle(&self.details, around),
            // The sandbox itself answers such calls with an error.
            Verdict::Forbidden if self.probe == UNKNOWN_CALLS => killed_by_a_filter(around),
            _ => None,
        }
    }
}

/// Runs the self-test on every path that will be used, and returns how many probes held.
///
/// # Errors
/// What did not hold, on the first path that fails.
pub fn prove(isolation: &Isolation) -> Result<usize, Failed> {
    let mut held = 0;
    for path in isolation.paths() {
        held += selftest(path)?.len();
    }
    Ok(held)
}

/// Runs every probe. Returns their names if all were as they must be.
///
/// # Errors
/// Every probe that did not hold, with what was seen.
pub fn selftest(sandbox: &dyn Sandbox) -> Result<Vec<&'static str>, Failed> {
    let submissions: Vec<Submission> = PROBES.iter().map(submission).collect();
    let pool = Pool {
        sandbox,
        threads: all_cores(),
        // Probes are not to be counted among the candidates.
        metrics: &Metrics::default(),
    };
    let outcomes = pool.verify_all(&submissions, &AtomicBool::new(false), &|_| ());
    let outcomes = outcomes.expect("nobody cancels");
    let (mut held, mut breaches) = (Vec::new(), Vec::new());
    for (probe, outcome) in PROBES.iter().zip(&outcomes) {
        // Some attacks may end in more than one way.
        if probe.must.contains(&outcome.verdict) {
            held.push(probe.name);
        } else {
            breaches.push(Breach::new(probe, outcome));
        }
    }
    // The first probe is the honest one.
    if outcomes[0].verdict == Verdict::InfrastructureError {
        // If nothing runs at all, every probe fails for the same reason: once is enough.
        breaches.truncate(1);
    }
    if breaches.is_empty() {
        Ok(held)
    } else {
        Err(Failed::new(breaches))
    }
}

fn submission(probe: &Probe) -> Submission {
    let cpu = if probe.must == [Verdict::Timeout] {
        ENDLESS_PROBE_CPU
    } else {
        PROBE_CPU
    };
    Submission {
        text: probe.code.as_bytes().to_vec(),
        candidate: None,
        entry: "solve".to_owned(),
        cases: vec![Case {
            args: Vec::new(),
            expected: Value::str("stopped"),
            visible: false,
        }],
        limits: Limits {
            cpu,
            ..Limits::default()
        },
    }
}
