//! Candidates to measure with. The task is always `solve(x)`: the sum of the squares below x, for ten x; what each candidate
//! must come to is known.

use std::time::Duration;

use groklab_domain::{Value, Verdict};

use crate::judge::verify::{Case, Submission};
use crate::sandbox::Limits;

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
    "def solve(x):\n    total = 0\n    for i in range(x):\n        total += i ** 2\n    return total",
    "import functools\n@functools.lru_cache(None)\ndef solve(x): return 0 if x <= 0 else solve(x - 1) + (x - 1) ** 2",
    "from collections import Counter\ndef solve(x): return sum(k * k * n for k, n in Counter(range(x)).items())",
    "import re\ndef solve(x): return sum(int(m) ** 2 for m in re.findall(r'\\d+', ' '.join(map(str, range(x)))))",
    "from dataclasses import dataclass\n@dataclass\nclass P:\n    n: int\ndef solve(x): return sum(p.n ** 2 for p in map(P, range(x)))",
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

/// Leaves files everywhere, and more in the scratch folder than it holds. Soaking puts a name of its own for `NAME` and folders for
/// `FOLDERS`.
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
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(3600)\ndef solve(x): return sum(i * i for i in range(x))",
        &[Verdict::Passed],
    ),
    (
        "class Yes(int):\n    __eq__ = lambda s, o: True\n    __hash__ = int.__hash__\ndef solve(x): return Yes(0)",
        &[Verdict::WrongAnswer],
    ),
    (
        "import threading, time\nfor _ in range(1000): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        &[Verdict::RuntimeError],
    ),
    ("import os\nos._exit(137)", &[Verdict::RuntimeError]),
];

/// Ten cases.
pub fn submission(code: &str) -> Submission {
    let squares = |x: i128| (0..x).map(|i| i * i).sum::<i128>();
    let cases = (1..=10).map(|x| Case {
        args: vec![Value::int(3 * x)],
        expected: Value::int(squares(3 * x)),
        visible: x == 1,
    });
    Submission {
        text: code.as_bytes().to_vec(),
        candidate: None,
        entry: "solve".to_owned(),
        cases: cases.collect(),
        limits: LIMITS,
    }
}

fn sample(code: &str, right: &'static [Verdict]) -> Sample {
    Sample {
        submission: submission(code),
        right,
    }
}

/// Only candidates that pass.
pub fn passing(count: usize) -> Vec<Sample> {
    (0..count)
        .map(|i| sample(HONEST[i % HONEST.len()], &[Verdict::Passed]))
        .collect()
}

/// Of 20 candidates 13 pass, 6 fail and one loops.
pub fn mixed(count: usize) -> Vec<Sample> {
    let one = |i: usize| match i % 20 {
        19 => sample(LOOPING, &[Verdict::Timeout]),
        place @ 13..19 => sample(FAILING[place - 13].0, FAILING[place - 13].1),
        place => sample(HONEST[place % HONEST.len()], &[Verdict::Passed]),
    };
    (0..count).map(one).collect()
}

/// Where what a candidate leaves would be seen outside, if it came out of its jail.
pub const SHARED_FOLDERS: [&str; 5] = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock"];

/// Candidates that loop.
pub fn looping(count: usize) -> Vec<Sample> {
    (0..count)
        .map(|_| sample(LOOPING, &[Verdict::Timeout]))
        .collect()
}

/// One in ten is hostile; every honest one's source is unique. Where they leave files, these begin with `name`.
pub fn soaking(from: usize, count: usize, name: &str) -> Vec<Sample> {
    let folders = format!("{SHARED_FOLDERS:?}");
    let hostile = HOSTILE.map(|(code, right)| {
        (
            code.replace("NAME", name).replace("FOLDERS", &folders),
            right,
        )
    });
    let one = |i: usize| match (i % 10, (i / 10) % HOSTILE.len()) {
        (9, which) => sample(&hostile[which].0, hostile[which].1),
        _ => sample(
            &format!("{}\n# {i}", HONEST[i % HONEST.len()]),
            &[Verdict::Passed],
        ),
    };
    (from..from + count).map(one).collect()
}

/// Candidates whose answer shows everything that could differ between two runs: addresses, hashes, `random`, the order of sets,
/// and how close to the limits they came. None is right; the answers are compared with each other.
pub fn delicate(count: usize) -> Vec<Submission> {
    const CODES: [&str; 9] = [
        "def solve(x): return list({'a', 'b', 'c', 'd', str(x)})",
        "class A: pass\ndef solve(x): return [id(A()), id(object()), hash(A), list({A, int, None, len})[0].__name__]",
        "import random\ndef solve(x): return [random.random(), random.sample(range(100), 5)]",
        "r = __import__('ran' + 'dom')\ndef solve(x): return r.random()",
        "def solve(x): return [hash('x' * x), hash(b'y'), hash((1, 'z')), hash(2.5), hash(None)]",
        "import time\ndef solve(x):\n    while time.process_time() < 0.07: pass\n    return 'near the limit'",
        "import time\ndef solve(x):\n    while time.process_time() < 0.16: pass\n    return 'past the limit'",
        "import mmap\ndef solve(x): return len(mmap.mmap(-1, 200 << 20))",
        "def solve(x): return len(bytearray(250 << 20))",
    ];
    (0..count)
        .map(|i| submission(&format!("{}\n# {i}", CODES[i % CODES.len()])))
        .collect()
}
