//! Proves the sandbox before it is trusted: an honest candidate must pass and each attack must be stopped, here, now, as this
//! user. Whatever gets through, or can't be tried, is a reason not to start.

use std::{fmt, sync::atomic::AtomicBool, time::Duration};

use groklab_domain::{Value, Verdict};

use crate::judge::pool::{all_cores, verify_all};
use crate::judge::verify::{Case, Outcome, Submission};
use crate::sandbox::{Limits, Sandbox};

/// One attempt: code that defines `solve()`, and what must come of it. Code that must pass returns `"stopped"`.
struct Probe {
    name: &'static str,
    code: &'static str,
    must: &'static [Verdict],
}

/// Attempts that end by being told no: the code itself reports it.
const STOPPED: &[Verdict] = &[Verdict::Passed];

const PROBES: &[Probe] = &[
    Probe { name: "an honest candidate passes", code: "def solve(): return 'stopped'", must: &[Verdict::Passed] },
    Probe { name: "a wrong answer fails", code: "def solve(): return 'wrong'", must: &[Verdict::WrongAnswer] },
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
    for folder in ('/', '/usr', '/usr/lib', '/lib', '/lib64', '/dev/shm', '/proc', '/sys', os.path.dirname(os.__file__)):
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
    for path in ('/etc/passwd', '/proc/self/environ', '/proc/1/maps', '/sys/kernel', '/root', '/home', '/dev', '/bin', '/var'):
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
    for call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.mknod('/tmp/d', 0o20600, 0x103)):
        try: call()
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
    Probe { name: "memory: a large allocation fails", code: "def solve(): return len(bytearray(8 << 30))", must: &[Verdict::OutOfMemory] },
    Probe { name: "time: an endless loop is ended", code: "def solve():\n    while True: pass", must: &[Verdict::Timeout] },
    Probe { name: "time: a sleep is ended", code: "import time\ndef solve(): time.sleep(60)", must: &[Verdict::Timeout] },
    Probe {
        name: "output: an endless print is ended",
        code: "def solve():\n    while True: print('x' * 10000)",
        must: &[Verdict::OutputLimit],
    },
    Probe { name: "verdict: leaving with status 0 is no pass", code: "import os\nos._exit(0)", must: &[Verdict::RuntimeError] },
    Probe { name: "verdict: an exit status is not taken for a signal", code: "import os\nos._exit(159)", must: &[Verdict::RuntimeError] },
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
        code: "import ctypes\ndef solve(): return ctypes.CDLL(None).syscall(56, 0x10000011, 0, 0, 0, 0)",
        must: &[Verdict::Forbidden],
    },
    Probe {
        name: "system calls: the unknown does not exist",
        code: "
import ctypes, errno
def solve():
    libc = ctypes.CDLL(None, use_errno=True)
    for number in (435, 447, 461, 0x40000000 + 39):
        if libc.syscall(number, 0, 0, 0) != -1 or ctypes.get_errno() != errno.ENOSYS: return number
    return 'stopped'",
        must: STOPPED,
    },
];

/// What got through, with what was seen.
#[derive(Debug, Clone)]
pub struct Breach {
    pub probe: &'static str,
    pub seen: String,
}

/// The sandbox does not hold here: the worker must not start.
#[derive(Debug, Clone, thiserror::Error)]
pub struct Failed(pub Vec<Breach>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sandbox failed its self-test")?;
        self.0
            .iter()
            .try_for_each(|breach| write!(f, "; {}: {}", breach.probe, breach.seen))
    }
}

/// Runs every probe. Returns their names if all were as they must be.
///
/// # Errors
/// Everything that was not.
pub fn selftest(sandbox: &dyn Sandbox) -> Result<Vec<&'static str>, Failed> {
    let submissions: Vec<Submission> = PROBES.iter().map(submission).collect();
    let never = AtomicBool::new(false);
    let outcomes =
        verify_all(sandbox, &submissions, all_cores(), &never, &|_| ()).expect("nobody cancels");
    let breaches: Vec<Breach> = PROBES
        .iter()
        .zip(&outcomes)
        .filter(|(probe, outcome)| !probe.must.contains(&outcome.verdict))
        .map(breach)
        .collect();
    if outcomes
        .first()
        .is_some_and(|honest| honest.verdict == Verdict::InfrastructureError)
    {
        // Nothing runs at all: one reason says it.
        return Err(Failed(breaches.into_iter().take(1).collect()));
    }
    if breaches.is_empty() {
        Ok(PROBES.iter().map(|probe| probe.name).collect())
    } else {
        Err(Failed(breaches))
    }
}

/// Short where the time runs out for certain, so that the whole stays quick; elsewhere enough for a machine busy with other work.
fn submission(probe: &Probe) -> Submission {
    let cpu = Duration::from_millis(if probe.must == [Verdict::Timeout] {
        250
    } else {
        2000
    });
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

fn breach((probe, outcome): (&Probe, &Outcome)) -> Breach {
    let got = outcome
        .first_failure
        .as_ref()
        .and_then(|failure| failure.got.clone());
    let details = [got, outcome.error.clone()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ");
    Breach {
        probe: probe.name,
        seen: format!("{} {details}", outcome.verdict),
    }
}
