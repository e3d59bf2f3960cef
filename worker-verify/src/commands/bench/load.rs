//! Candidates to measure with. The task is always `solve(x)`: the sum of the squares below x, for
//! ten x; what each candidate must come to is known.

use std::time::Duration;

use groklab_domain::{Value, Verdict};

use crate::{
    judge::{Case, Submission},
    sandbox::Limits,
};

/// A candidate and the verdicts that are right for it.
pub struct Sample {
    pub submission: Submission,
    pub right: &'static [Verdict],
}

pub const LIMITS: Limits = Limits {
    cpu: Duration::from_millis(100),
    memory_bytes: 256 << 20,
    output_bytes: 1 << 20,
};

const HONEST: [&str; 6] = [
    "def solve(x): return sum(i * i for i in range(x))",
    "
def solve(x):
    total = 0
    for i in range(x):
        total += i ** 2
    return total",
    "
import functools
@functools.lru_cache(None)
def solve(x): return 0 if x <= 0 else solve(x - 1) + (x - 1) ** 2",
    "
from collections import Counter
def solve(x): return sum(k * k * n for k, n in Counter(range(x)).items())",
    "
import re
def solve(x): return sum(int(m) ** 2 for m in re.findall(r'\\d+', ' '.join(map(str, range(x)))))",
    "
from dataclasses import dataclass
@dataclass
class P:
    n: int
def solve(x): return sum(p.n ** 2 for p in map(P, range(x)))",
];

const FAILING: [(&str, &[Verdict]); 6] = [
    (
        "def solve(x): return sum(range(x))",
        &[Verdict::WrongAnswer],
    ),
    (
        "def solve(x): return float(sum(i * i for i in range(x)))",
        &[Verdict::WrongAnswer],
    ),
    ("def solve(x): return [][x]", &[Verdict::RuntimeError]),
    ("def solve(x:", &[Verdict::SyntaxError]),
    ("def other(x): return x", &[Verdict::MissingFunction]),
    ("import os\nos._exit(0)", &[Verdict::RuntimeError]),
];

const LOOPING: &str = "def solve(x):\n    while True: pass";

/// Leaves files everywhere, and more in the scratch folder than it holds. Soaking puts a name of
/// its own for `NAME` and folders for `FOLDERS`.
const LITTERING: &str = "
import os
def leave(make):
    try: os.close(make())
    except (OSError, ImportError): pass
def solve(x):
    for folder in FOLDERS: leave(lambda: os.open(f'{folder}/NAME', os.O_CREAT | os.O_WRONLY))
    leave(lambda: __import__('_posixshmem').shm_open('/NAME', os.O_CREAT | os.O_RDWR, 0o600))
    for i in range(100): open(f'/tmp/NAME-{i}', 'wb').write(bytes(1 << 20))";

const HOSTILE: [(&str, &[Verdict]); 16] = [
    (LOOPING, &[Verdict::Timeout]),
    (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        &[Verdict::Timeout],
    ),
    (
        "def solve(x): return bytearray(8 << 30)",
        &[Verdict::OutOfMemory],
    ),
    (
        "def solve(x): return len([bytearray(1 << 20) for _ in range(1 << 12)])",
        &[Verdict::OutOfMemory, Verdict::Timeout],
    ),
    (
        "def solve(x):\n    while True: print('x' * 4096)",
        &[Verdict::OutputLimit],
    ),
    (
        "import os\nos.kill(-1, 9)\ndef solve(x): return 0",
        &[Verdict::WrongAnswer, Verdict::RuntimeError],
    ),
    (
        "import ctypes\nctypes.CDLL(None).syscall(101, 0, 0, 0, 0)",
        &[Verdict::Forbidden],
    ),
    (
        "import ctypes\nctypes.CDLL(None).syscall(272, 0x10000000)",
        &[Verdict::Forbidden],
    ),
    ("import socket\nsocket.socket()", &[Verdict::RuntimeError]),
    (
        "import os, sys\nos.closerange(0, 1024)\ndef solve(x): return 0",
        &[Verdict::RuntimeError],
    ),
    (
        "import os, sys\nwhile True: os.write(int(sys.argv[1]), bytes(1 << 20))",
        &[Verdict::OutputLimit],
    ),
    (LITTERING, &[Verdict::RuntimeError]),
    (
        "
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(3600)
def solve(x): return sum(i * i for i in range(x))",
        &[Verdict::Passed],
    ),
    (
        "
class Yes(int):
    __eq__ = lambda s, o: True
    __hash__ = int.__hash__
def solve(x): return Yes(0)",
        &[Verdict::WrongAnswer],
    ),
    (
        "
import threading, time
for _ in range(1000): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        &[Verdict::RuntimeError],
    ),
    ("import os\nos._exit(137)", &[Verdict::RuntimeError]),
];

/// Where what a candidate leaves would be seen outside, if it came out of its jail.
pub const SHARED_FOLDERS: [&str; 5] = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock"];

/// Candidates whose answer shows everything that could differ between two runs: addresses, hashes,
/// `random`, the order of sets, and how close to the limits they came.
const DELICATE: [&str; 9] = [
    "def solve(x): return list({'a', 'b', 'c', 'd', str(x)})",
    "
class A: pass
def solve(x):
    return [id(A()), id(object()), hash(A), list({A, int, None, len})[0].__name__]",
    "import random\ndef solve(x): return [random.random(), random.sample(range(100), 5)]",
    "r = __import__('ran' + 'dom')\ndef solve(x): return r.random()",
    "
def solve(x):
    return [hash('x' * x), hash(b'y'), hash((1, 'z')), hash(2.5), hash(None)]",
    "
import time
def solve(x):
    while time.process_time() < 0.07: pass
    return 'near the limit'",
    "
import time
def solve(x):
    while time.process_time() < 0.16: pass
    return 'past the limit'",
    "import mmap\ndef solve(x): return len(mmap.mmap(-1, 200 << 20))",
    "def solve(x): return len(bytearray(250 << 20))",
];

/// Ten cases.
pub fn submission(code: &str) -> Submission {
    let mut cases = Vec::new();
    for x in (3..=30).step_by(3) {
        // The reference, computed as plainly as possible.
        let squares: i64 = (0..x).map(|i| i * i).sum();
        cases.push(Case {
            args: vec![Value::int(x)],
            expected: Value::int(squares),
            visible: x == 3,
        });
    }
    Submission {
        text: code.as_bytes().to_vec(),
        candidate: None,
        entry: "solve".to_owned(),
        cases,
        limits: LIMITS,
    }
}

fn sample(code: &str, right: &'static [Verdict]) -> Sample {
    Sample {
        submission: submission(code),
        right,
    }
}

fn honest(place: usize) -> Sample {
    sample(HONEST[place % HONEST.len()], &[Verdict::Passed])
}

/// Only candidates that pass.
pub fn passing(count: usize) -> Vec<Sample> {
    (0..count).map(honest).collect()
}

/// Of 20 candidates 13 pass, 6 fail and one loops.
pub fn mixed(count: usize) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(count);
    for place in 0..count {
        samples.push(match place % 20 {
            19 => sample(LOOPING, &[Verdict::Timeout]),
            place @ 13..19 => {
                let (code, right) = FAILING[place - 13];
                sample(code, right)
            }
            place => honest(place),
        });
    }
    samples
}

/// Candidates that loop.
pub fn looping(count: usize) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        samples.push(sample(LOOPING, &[Verdict::Timeout]));
    }
    samples
}

/// One in ten is hostile; every honest one's source is unique. Where they leave files, these begin
/// with `name`.
pub fn soaking(from: usize, count: usize, name: &str) -> Vec<Sample> {
    let folders = format!("{SHARED_FOLDERS:?}");
    let mut samples = Vec::with_capacity(count);
    for place in from..from + count {
        samples.push(if place % 10 == 9 {
            let (code, right) = HOSTILE[(place / 10) % HOSTILE.len()];
            let code = code.replace("NAME", name).replace("FOLDERS", &folders);
            sample(&code, right)
        } else {
            // A comment makes it another code, so that nothing can be remembered of it.
            let code = HONEST[place % HONEST.len()];
            sample(&format!("{code}\n# {place}"), &[Verdict::Passed])
        });
    }
    samples
}

/// Candidates of which none is right; the answers of two runs are compared with each other.
pub fn delicate(count: usize) -> Vec<Submission> {
    let mut submissions = Vec::with_capacity(count);
    for place in 0..count {
        let code = DELICATE[place % DELICATE.len()];
        submissions.push(submission(&format!("{code}\n# {place}")));
    }
    submissions
}
