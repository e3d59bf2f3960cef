//! What a candidate tries to leave for the next one, or to reach from inside a child of a warm interpreter. Both paths.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::common::{
    LIMITS, NSJAIL, expect, nullary, paths, patient, run_in, running_candidate, submission,
    two_at_once,
};
use groklab_domain::{Value, Verdict};
use groklab_worker_verify::{Case, Limits, Sandbox, Submission, Warm, jail::cgroup, verify};

/// Runs `leave`, then `look`, on one sandbox; `look` must return what it returns when nothing was left.
#[track_caller]
fn leaves_nothing(leave: &str, look: &str) {
    for (path, sandbox) in [
        ("warm", &Warm::new(NSJAIL.clone()) as &dyn Sandbox),
        ("cold", &*NSJAIL),
    ] {
        let seen = || {
            run_in(sandbox, &nullary(look, Value::None))
                .first_failure
                .expect("None is never returned")
                .got
        };
        let before = seen();
        let left = run_in(sandbox, &nullary(leave, Value::None));
        assert_ne!(
            left.verdict,
            Verdict::InfrastructureError,
            "{path}: {left:#?}"
        );
        assert_eq!(seen(), before, "{path}");
    }
}

#[test]
fn files_for_the_next() {
    let leave = "
import os
for folder in ('/tmp', '/', '/usr/lib', '/dev/shm', os.path.dirname(os.__file__), os.path.dirname(os.__file__) + '/__pycache__'):
    for name in ('left', 'sitecustomize.py', 'usercustomize.py', 'random.py', 'json.py', 'left.pyc'):
        try: open(f'{folder}/{name}', 'w').write('raise SystemExit')
        except OSError: pass
def solve(): return len(os.listdir('/tmp'))";
    leaves_nothing(
        leave,
        "import os, json, random\ndef solve(): return [os.listdir('/tmp'), os.listdir('/'), os.getcwd(), os.path.exists('/dev')]",
    );
}

#[test]
fn changed_modules_and_builtins_for_the_next() {
    let leave = "
import builtins, sys, os, re, json, math, random, time, gc
for module in list(sys.modules.values()):
    for name in list(vars(module)):
        if not name.startswith('__') and module is not builtins:
            try: setattr(module, name, lambda *a, **k: 7)
            except Exception: pass
builtins.len = builtins.sum = lambda *a: 7
sys.setrecursionlimit(60)
gc.disable()
def solve(): return 1";
    let look = "
import re, json, math, random, gc, sys, os, warnings
def solve(): return [len('abc'), sum([1, 2]), math.gcd(12, 18), json.dumps([1]), re.sub('a', 'b', 'aa'), random.random(), gc.isenabled(),
    sys.getrecursionlimit(), sorted(os.environ)]";
    leaves_nothing(leave, look);
}

#[test]
fn lent_names_for_the_next() {
    leaves_nothing(
        "def solve(x: List[int] = None) -> Optional[int]: return 1",
        "import builtins\ndef solve(): return len(dir(builtins))",
    );
}

#[test]
fn limits_signals_timers_and_names_for_the_next() {
    let leave = "
import os, signal, resource, time
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
os.umask(0o777)
os.chdir('/')
try: os.nice(5)
except OSError: pass
def solve(): return 1";
    let look = "
import os, signal, resource
def solve(): return [str(signal.getsignal(10)), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), signal.getitimer(signal.ITIMER_REAL),
    resource.getrlimit(resource.RLIMIT_NOFILE), os.umask(0), os.getpriority(os.PRIO_PROCESS, 0), os.getpid(), os.getppid(), os.uname().nodename]";
    leaves_nothing(leave, look);
}

/// The warm path takes some limits from nsjail and sets the others in the child: all must be as on the cold path. Only the count of
/// processes differs by the zygote, which is one of the same user.
#[test]
fn the_same_limits_on_both_paths() {
    for name in [
        "AS",
        "CORE",
        "CPU",
        "DATA",
        "FSIZE",
        "MEMLOCK",
        "MSGQUEUE",
        "NICE",
        "NOFILE",
        "RSS",
        "RTPRIO",
        "SIGPENDING",
        "STACK",
    ] {
        let code = format!(
            "import resource\ndef solve(): return list(resource.getrlimit(resource.RLIMIT_{name}))"
        );
        let [warm, cold] = paths().map(|(_, sandbox)| {
            run_in(sandbox, &nullary(&code, Value::None))
                .first_failure
                .expect("None is never returned")
                .got
                .unwrap()
        });
        assert_eq!(warm, cold, "{name}");
    }
}

#[test]
fn a_candidates_own_children_draw_new_random_numbers() {
    let code = "
import os, random
def solve():
    reader, writer = os.pipe()
    for _ in range(2):
        if os.fork() == 0:
            os.write(writer, random.randbytes(8))
            os._exit(0)
        os.wait()
    return os.read(reader, 8) != os.read(reader, 8)";
    assert_eq!(
        crate::common::returns(code, Value::Bool(true)).verdict,
        Verdict::Passed
    );
}

#[test]
fn flags_of_shared_descriptors_for_the_next() {
    let leave = "
import fcntl, os
for fd in range(64):
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
        fcntl.fcntl(fd, fcntl.F_SETOWN, 1)
        os.lseek(fd, 5, 0)
    except OSError: pass
def solve(): return 1";
    leaves_nothing(
        leave,
        "import fcntl\ndef solve(): return [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in range(3)]",
    );
}

/// A daemon that would write into the next run's folder, or hold what it needs.
#[test]
fn processes_for_the_next() {
    let leave = "
import os, time
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True: time.sleep(0.01)
        os._exit(0)
def solve(): return 1";
    let look = "
import os
def solve():
    alive = []
    for pid in range(2, 400):
        try: os.kill(pid, 0)
        except ProcessLookupError: continue
        except PermissionError: pass
        alive.append(pid)
    return alive + ['none'] if alive else 'none'";
    leaves_nothing(leave, look);
}

/// Only the request, the two pipes and nothing else: no control socket, no other candidate's pipe.
#[test]
fn descriptors_that_are_open() {
    let code = "
import os, stat
def solve():
    kinds = {}
    for fd in range(4096):
        try: mode = os.fstat(fd).st_mode
        except OSError: continue
        kinds[fd] = 'pipe' if stat.S_ISFIFO(mode) else 'file' if stat.S_ISREG(mode) else 'other'
    return sorted(kinds.values())";
    let pipes = ["file", "pipe", "pipe", "pipe"].map(Value::str).to_vec();
    for (path, sandbox) in paths() {
        let outcome = run_in(sandbox, &nullary(code, Value::List(pipes.clone())));
        assert_eq!(outcome.verdict, Verdict::Passed, "{path}: {outcome:#?}");
    }
}

/// The zygote forks every candidate: nothing of one may be in the memory of the next. Looks through the whole heap below the
/// program break, where long strings are, and shows that it would find what is there.
#[test]
fn a_siblings_source_in_memory() {
    let secret = "sibling-secret-4711";
    let look = format!(
        "
import ctypes, functools
bottom = id(functools.partialmethod)
needle = bytes(b ^ 1 for b in {:?})
def scan():
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    top = libc.sbrk(0)
    return ctypes.string_at(bottom, top - bottom).count(needle)
def solve():
    before = scan()
    own = [needle.decode() * 100 for _ in range(3)]
    return [before, scan() > before]",
        secret.bytes().map(|byte| byte ^ 1).collect::<Vec<u8>>()
    );
    let leave =
        format!("kept = ['{secret}' * 50 + str(i) for i in range(2000)]\ndef solve(): return 1");
    for (path, sandbox) in paths() {
        assert_eq!(
            run_in(sandbox, &nullary(&leave, Value::int(1))).verdict,
            Verdict::Passed
        );
        let want = Value::List(vec![Value::int(0), Value::Bool(true)]);
        let outcome = run_in(sandbox, &nullary(&look, want));
        assert_eq!(outcome.verdict, Verdict::Passed, "{path}: {outcome:#?}");
    }
}

/// Whoever opens a file with a lease on it waits for the holder. On a file of one's own, which the standard library may be.
#[test]
fn leases_that_make_others_wait() {
    let code = "
import fcntl
file = open('/tmp/own', 'w+')
def solve():
    try: fcntl.fcntl(file, 1024, fcntl.F_WRLCK)
    except PermissionError: return 'refused'";
    assert_eq!(
        crate::common::returns(code, Value::str("refused")).verdict,
        Verdict::Passed
    );
}

/// Every call that would show or touch a neighbour through shared kernel objects.
#[test]
fn shared_kernel_objects() {
    for (call, number) in [
        ("shmget", 29),
        ("semget", 64),
        ("msgget", 68),
        ("mq_open", 240),
        ("socket", 41),
        ("socketpair", 53),
    ] {
        let code = format!(
            "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\ndef solve(): return [libc.syscall({number}, 1, 1, 0o1666, 0), ctypes.get_errno()]"
        );
        let refused = Value::List(vec![Value::int(-1), Value::int(1)]);
        for (path, sandbox) in paths() {
            assert_eq!(
                run_in(sandbox, &nullary(&code, refused.clone())).verdict,
                Verdict::Passed,
                "{path}: {call}"
            );
        }
    }
}

#[test]
fn reaching_the_zygote() {
    // The zygote is the parent, in another pid namespace: it can't be named, and what can be named is the candidate's own.
    let code = "
import os, signal, ctypes
def solve():
    if os.getpid() != 1 or os.getppid() != 0: return 'not alone'
    for pid in range(2, 300):
        try: os.kill(pid, 15)
        except ProcessLookupError: continue
        return pid
    for call in (lambda: os.kill(2, 9), lambda: os.kill(-1, 9)):
        try: call()
        except PermissionError: continue
        return 'killed'
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0: return 'mounted'
    return 'alone'";
    expect(
        "import os\ndef solve(x): return x + 1 if os.getsid(0) == 1 and os.getpgid(0) == 1 else 0",
        &[Verdict::Passed],
    );
    for (path, sandbox) in paths() {
        let outcome = run_in(sandbox, &nullary(code, Value::str("alone")));
        assert_eq!(
            outcome.verdict,
            Verdict::Forbidden,
            "{path}: mounting is the first thing that fails: {outcome:#?}"
        );
    }
}

#[test]
fn uses_the_zygotes_own_functions() {
    // All that the zygote had is in the child's memory. Without its descriptors and capabilities nothing of it works.
    let code = "
import gc, os, sys, ctypes
def solve(x):
    for fd in range(3, 256):
        if fd != int(sys.argv[1]):
            try: os.write(fd, b'D' * 28)
            except OSError: continue
            return fd
    return x + 1";
    expect(code, &[Verdict::Passed]);
    expect(
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.setns(3, 0x20000000)\ndef solve(x): return x",
        &[Verdict::Forbidden],
    );
    expect(
        "
import sys
frame = sys._getframe()
while 'make_server' not in frame.f_globals: frame = frame.f_back
frame.f_globals['make_server']()(int(sys.argv[1]), 0)
def solve(x): return x + 1",
        &[Verdict::RuntimeError],
    );
}

/// What the kernel says, from outside, of a candidate that runs and of the zygote that forked it.
#[test]
fn a_running_child_has_no_capabilities_and_namespaces_of_its_own() {
    let warm = Warm::new(NSJAIL.clone());
    assert_eq!(
        run_in(&warm, &submission("def solve(x): return x + 1")).verdict,
        Verdict::Passed
    );
    let zygote = warm.pids()[0].1;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let sleeper = patient("import time\ntime.sleep(60)");
        let (warm, stop) = (&warm, &stop);
        scope.spawn(move || verify(warm, &sleeper, stop));
        let child = running_candidate(zygote);
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
        let own = std::process::id().cast_signed();
        let namespace =
            |pid: i32, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        let shared: Vec<&str> = ["pid", "mnt", "ipc", "uts", "user", "net"]
            .into_iter()
            .filter(|kind| namespace(child, kind) == namespace(zygote, kind))
            .collect();
        let ours: Vec<&str> = ["pid", "mnt", "ipc", "uts", "user", "net"]
            .into_iter()
            .filter(|kind| namespace(child, kind) == namespace(own, kind))
            .collect();
        stop.store(true, Ordering::Relaxed);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(
                status.contains(&format!("{set}:\t0000000000000000")),
                "{set}: {status}"
            );
        }
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        assert_eq!((shared, ours), (vec!["user", "net"], vec![]));
    });
}

#[test]
fn a_zygote_that_is_killed_is_replaced_and_nothing_is_misjudged() {
    let warm = Warm::new(NSJAIL.clone());
    let right = submission("def solve(x): return x + 1");
    assert_eq!(run_in(&warm, &right).verdict, Verdict::Passed);
    let first = warm.pids();
    for (_, zygote) in &first {
        let zygote = nix::unistd::Pid::from_raw(*zygote);
        nix::sys::signal::kill(zygote, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(run_in(&warm, &right).verdict, Verdict::Passed);
    }
    assert_ne!(warm.pids(), first);
}

#[test]
fn a_zygote_is_replaced_after_its_share() {
    let warm = Warm::with(NSJAIL.clone(), cgroup::find(), 3);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..9 {
        assert_eq!(
            run_in(&warm, &submission("def solve(x): return x + 1")).verdict,
            Verdict::Passed
        );
        seen.extend(warm.pids());
    }
    assert!(seen.len() >= 3, "{seen:?}");
}

#[test]
fn nothing_is_left_when_the_sandbox_goes() {
    let warm = Warm::new(NSJAIL.clone());
    let loops = Submission {
        cases: vec![Case {
            args: vec![],
            expected: Value::None,
            visible: false,
        }],
        ..submission("while True: pass")
    };
    assert_eq!(run_in(&warm, &loops).verdict, Verdict::Timeout);
    assert_eq!(
        run_in(&warm, &submission("def solve(x): return x + 1")).verdict,
        Verdict::Passed
    );
    let pids: Vec<i32> = warm
        .pids()
        .into_iter()
        .flat_map(|(jail, zygote)| [jail, zygote])
        .collect();
    assert_eq!(pids.len(), 2);
    drop(warm);
    let gone = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_or(true, |stat| stat.contains(") Z "))
    };
    let since = Instant::now();
    while !pids.iter().all(gone) {
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "{pids:?} are still there"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn without_control_groups_the_same_holds() {
    let warm = Warm::with(
        NSJAIL.clone(),
        Box::new(cgroup::NoCgroups {
            reason: "a test".to_owned(),
        }),
        100,
    );
    for (code, verdict) in [
        ("def solve(x): return x + 1", Verdict::Passed),
        ("def solve(x):\n    while True: pass", Verdict::Timeout),
        (
            "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
            Verdict::Timeout,
        ),
        (
            "def solve(x): return bytearray(8 << 30)",
            Verdict::OutOfMemory,
        ),
    ] {
        let outcome = run_in(&warm, &submission(code));
        assert_eq!(outcome.verdict, verdict, "{outcome:#?}");
    }
}

/// Eight processes of 100 MiB each, where one may have 256: only a control group sees their sum.
#[test]
fn memory_shared_out_among_processes() {
    if !cgroup::find().active() {
        eprintln!("skipped: there are no control groups for this user here");
        return;
    }
    let code = "
import os, time
def solve(x):
    for _ in range(8):
        if os.fork() == 0:
            kept = bytearray(b'x') * (100 << 20)
            time.sleep(60)
    kept = bytearray(b'x') * (100 << 20)
    time.sleep(60)";
    let warm = Warm::new(NSJAIL.clone());
    let outcome = run_in(&warm, &submission(code));
    assert!(
        [Verdict::OutOfMemory, Verdict::Timeout].contains(&outcome.verdict),
        "{outcome:#?}"
    );
    assert!(outcome.peak_memory_bytes < 300 << 20, "{outcome:#?}");
    assert_eq!(
        run_in(&warm, &submission("def solve(x): return x + 1")).verdict,
        Verdict::Passed
    );
}

/// Whichever of them the kernel kills, the candidate used too much.
#[test]
fn three_gigabytes_in_fifteen_children() {
    if !cgroup::find().active() {
        eprintln!("skipped: there are no control groups for this user here");
        return;
    }
    let code = "
import os
def solve(x):
    for _ in range(14):
        if os.fork() == 0:
            kept = bytearray(b'x') * (200 << 20)
            os._exit(0)
    try:
        while True: os.wait()
    except ChildProcessError: return x + 1";
    for (path, sandbox) in paths() {
        let limits = Limits {
            cpu: Duration::from_secs(10),
            ..LIMITS
        };
        let outcome = run_in(
            sandbox,
            &Submission {
                limits,
                ..submission(code)
            },
        );
        assert_eq!(
            outcome.verdict,
            Verdict::OutOfMemory,
            "{path}: {outcome:#?}"
        );
        assert!(
            outcome.peak_memory_bytes < 320 << 20,
            "{path}: {outcome:#?}"
        );
    }
}

#[test]
fn a_winner_that_the_cold_path_does_not_pass_has_not_passed() {
    struct Doubted;
    impl Sandbox for Doubted {
        fn run(
            &self,
            request: &groklab_worker_verify::sandbox::Request<'_>,
        ) -> Result<
            groklab_worker_verify::sandbox::RawRun,
            groklab_worker_verify::InfrastructureError,
        > {
            crate::common::WARM.run(request)
        }
        fn second_opinion(&self, _code: &[u8]) -> Option<&dyn Sandbox> {
            Some(&*NSJAIL)
        }
    }
    assert_eq!(
        run_in(&Doubted, &submission("def solve(x): return x + 1")).verdict,
        Verdict::Passed
    );
    // The warm interpreter has imported `json` before; a fresh one has not.
    let tells = submission(
        "import sys\nwarm = 'json' in sys.modules\ndef solve(x): return x + 1 if warm else 0",
    );
    assert_eq!(
        verify(&*crate::common::WARM, &tells, &AtomicBool::new(false)).verdict,
        Verdict::Passed
    );
    assert_eq!(run_in(&Doubted, &tells).verdict, Verdict::WrongAnswer);
}

#[test]
fn a_hostile_neighbour_on_every_other_zygote() {
    let hostile = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass";
    let honest = submission("def solve(x): return sorted([x, 0, 1])[-1] + 1 if x > 0 else 0");
    let submissions: Vec<Submission> = (0..24)
        .map(|i| {
            if i % 6 == 0 {
                submission(hostile)
            } else {
                honest.clone()
            }
        })
        .collect();
    let never = AtomicBool::new(false);
    let outcomes = two_at_once(&*crate::common::WARM)
        .verify_all(&submissions, &never, &|_| ())
        .unwrap();
    assert!(!never.load(Ordering::Relaxed));
    for (i, outcome) in outcomes.iter().enumerate() {
        assert_eq!(
            outcome.verdict,
            if i % 6 == 0 {
                Verdict::Timeout
            } else {
                Verdict::Passed
            },
            "{outcome:#?}"
        );
    }
}
