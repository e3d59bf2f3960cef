//! Candidates that take all there is of something: time, memory, processes, descriptors, output. Each test names of what.

use std::time::Duration;

use crate::common::{LIMITS, paths, run_both, run_in, submission};
use groklab_domain::{Value, Verdict};
use groklab_worker_verify::{Case, Limits, Submission};

attacks! {
    a_gigabyte_of_text: "def solve(x): return 'x' * (1 << 30)" => OutOfMemory;
    makes_pipes_as_large_as_they_get: "
import fcntl, os
for _ in range(100):
    _, writer = os.pipe()
    fcntl.fcntl(writer, 1031, 1 << 20)
    os.write(writer, bytes(1 << 20))" => RuntimeError;
    shrinks_the_result_pipe: "
import fcntl, sys
fcntl.fcntl(int(sys.argv[1]), 1031, 4096)
def solve(x): return x + 1" => RuntimeError;
    queues_signals_without_end: "
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
for _ in range(3000): os.kill(os.getpid(), 40)
waiting = 0
while signal.sigtimedwait([40], 0): waiting += 1
def solve(x): return x + 1 if 0 < waiting < 300 else waiting" => Passed;
    lists_folders_without_end: "
import os
os.mkdir('/tmp/a')
for _ in range(100_000): os.mkdir('a'), os.chdir('a')" => RuntimeError;
    threads_that_loop: "
import threading
def loop():
    while True: pass
for _ in range(2): threading.Thread(target=loop).start()
def solve(x):
    while True: pass" => Timeout;
    compiles_without_end: "def solve(x): return eval('+'.join(['1'] * 10 ** 6)) * 0" => Timeout | OutOfMemory | RuntimeError | WrongAnswer;
    lists_of_a_million_nothings: "def solve(x): return [[None] * 100_000] * 10" => WrongAnswer | Timeout;
    a_million_keys_of_one_hash: "
class One:
    __hash__ = lambda self: 1
    __eq__ = lambda self, other: False
def solve(x): return len({One() for _ in range(10 ** 6)})" => Timeout;
    digits_without_end: "import sys\nsys.set_int_max_str_digits(0)\ndef solve(x): return str(10 ** 10 ** 6)" => Timeout;
    a_decimal_of_a_billion_places: "
import decimal
decimal.getcontext().prec = 10 ** 9
def solve(x): return decimal.Decimal(1) / 3" => OutOfMemory | Timeout | RuntimeError;
    a_format_wider_than_memory: "def solve(x): return f'{1:>10000000000}' + '%0*d' % (10 ** 9, 1)" => OutOfMemory | RuntimeError;
    what_is_packed_a_thousandfold: "
import zlib
packed = zlib.compress(zlib.compress(bytes(1 << 27)))
def solve(x): return len(zlib.decompress(zlib.decompress(packed) * 100)) + len(b'x' * (300 << 20))" => OutOfMemory | Timeout;
    a_sum_without_end: "import itertools\ndef solve(x): return sum(itertools.count())" => Timeout;
    pickles_what_nests_too_deeply: "
import pickle, sys
sys.setrecursionlimit(10 ** 8)
def solve(x):
    nested = []
    for _ in range(10 ** 5): nested = [nested]
    return pickle.dumps(nested)" => RuntimeError | Timeout | OutOfMemory;
    floods_the_machine_with_the_dead: "
import os
for _ in range(1000):
    try:
        if os.fork() == 0: os._exit(0)
    except OSError: pass
def solve(x): return x + 1" => Passed | Timeout;
    as_many_mappings_as_there_can_be: "
import mmap
kept = []
try:
    while True: kept.append(mmap.mmap(-1, 4096, prot=len(kept) % 2 + 1))
except OSError: pass
def solve(x): return x + 1" => Passed | Timeout | OutOfMemory;
    address_space_that_is_not_backed: "import mmap\nkept = mmap.mmap(-1, 1 << 34, flags=0x4022)\ndef solve(x): return x + 1" => RuntimeError;
    all_descriptors_there_are: "
import os
try:
    while True: os.eventfd(0)
except OSError: pass
def solve(x): return x + 1" => Passed;
    makes_everything_of_its_user_slow: "import os\nos.setpriority(os.PRIO_USER, 0, 19)\ndef solve(x): return x + 1" => Passed;
    attributes_of_files: "
import os
def solve(x):
    open('/tmp/file', 'w').close()
    for n in range(10_000): os.setxattr('/tmp/file', f'user.{n}', bytes(60_000))" => RuntimeError;
    fork_bomb: "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass" => Timeout;
    ten_thousand_threads: "
import threading, time
def solve(x):
    for _ in range(10_000): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()" => RuntimeError | OutOfMemory;
    eight_gigabytes: "def solve(x): return bytearray(8 << 30)" => OutOfMemory;
    endless_output: "def solve(x):\n    while True: print('x' * 4096)" => OutputLimit;
    endless_output_to_standard_error: "import os\nwhile True: os.write(2, b'x' * 65536)" => OutputLimit;
    large_return_value: "def solve(x): return [0] * 10_000_000" => OutputLimit;
    fills_the_scratch_folder: "def solve(x):\n    for i in range(100): open(f'/tmp/{i}', 'wb').write(bytes(1 << 20))" => RuntimeError;
    fills_it_with_empty_files: "def solve(x):\n    for i in range(10_000): open(f'/tmp/{i}', 'wb')" => RuntimeError;
    one_sparse_file: "def solve(x):\n    with open('/tmp/s', 'wb') as f: f.truncate(1 << 40)" => RuntimeError;
    catastrophic_regular_expression: "import re\ndef solve(x): return re.match('(a+)+$', 'a' * 64 + 'b')" => Timeout;
    enormous_power: "def solve(x): return 10 ** 10 ** 8" => Timeout | OutOfMemory;
    sleeps: "import time\ndef solve(x): time.sleep(3600)" => Timeout;
    lifts_the_recursion_limit: "import sys\nsys.setrecursionlimit(10 ** 9)\ndef solve(x): return solve(x)" => OutOfMemory | Timeout | RuntimeError;
    overflows_the_stack_in_c: "
import sys
sys.setrecursionlimit(10 ** 9)
class A:
    def __getattr__(self, name): return getattr(self, name)
def solve(x): return A().b" => RuntimeError | Timeout | OutOfMemory;
    burns_time_in_children: "
import os
def solve(x):
    for _ in range(4):
        if os.fork() == 0:
            while True: pass
    os.wait()" => Timeout;
    burns_time_in_children_of_a_thread: "
import os, threading, time
def burn():
    for _ in range(4):
        if os.fork() == 0:
            while True: pass
    time.sleep(60)
def solve(x):
    if x == 1:
        threading.Thread(target=burn, daemon=True).start()
        time.sleep(1.5)
    return x + 1" => Timeout;
    loops_at_exit_of_a_thread: "
import threading
def loop():
    while True: pass
threading.Thread(target=loop).start()
def solve(x): return x + 1" => Passed | Timeout;
}

#[test]
fn fifty_megabytes_of_source() {
    // The time it takes is not the point, and both paths must come to the same end.
    let limits = Limits {
        cpu: Duration::from_secs(10),
        ..LIMITS
    };
    let outcome = run_both(&Submission {
        limits,
        ..submission(&"x = 1\n".repeat(9_000_000))
    });
    assert!(
        [Verdict::SyntaxError, Verdict::OutOfMemory].contains(&outcome.verdict),
        "{outcome:#?}"
    );
}

/// The request itself is too large for the limit: that is the candidate's doing, not ours.
#[test]
fn source_that_does_not_fit_into_memory() {
    let limits = Limits {
        memory_bytes: 64 << 20,
        ..LIMITS
    };
    let outcome = run_both(&Submission {
        limits,
        ..submission(&"x = 1\n".repeat(9_000_000))
    });
    assert_eq!(outcome.verdict, Verdict::OutOfMemory, "{outcome:#?}");
}

#[test]
fn memory_bit_by_bit_and_kept() {
    let limits = Limits {
        memory_bytes: 96 << 20,
        cpu: Duration::from_secs(5),
        ..LIMITS
    };
    for code in [
        "def solve(x):\n    y = []\n    while True: y.append(bytearray(1 << 20))",
        "kept = []\ndef solve(x):\n    while True: kept.append([0] * 1000)",
        "kept = []\nwhile True: kept.append(kept[-1:] * 50)",
    ] {
        let outcome = run_both(&Submission {
            limits,
            ..submission(code)
        });
        assert_eq!(outcome.verdict, Verdict::OutOfMemory, "{outcome:#?}");
    }
}

/// Threads cost what they use, not what the C library would set aside for each.
#[test]
fn honest_threads_fit_into_the_memory() {
    let waiting = "
import threading
def solve(x):
    together = threading.Barrier(8)
    threads = [threading.Thread(target=lambda: (bytes(1000), together.wait())) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return x + 1";
    for code in [
        waiting.to_owned(),
        format!("held = bytearray(100 << 20)\n{waiting}"),
    ] {
        let limits = Limits {
            cpu: Duration::from_secs(2),
            ..LIMITS
        };
        assert_eq!(
            run_both(&Submission {
                limits,
                ..submission(&code)
            })
            .verdict,
            Verdict::Passed
        );
    }
}

/// The request itself takes nearly all of it: a little more or less, and the interpreter has none left to say so.
#[test]
fn arguments_near_the_memory_limit_are_never_our_fault() {
    let memory_bytes = 64 << 20;
    for count in (800_000..=860_000)
        .step_by(7_500)
        .chain((930_000..960_000).step_by(7_500))
    {
        let args = vec![Value::List((1000..1000 + count).map(Value::int).collect())];
        let cases = vec![Case {
            args,
            expected: Value::int(0),
            visible: true,
        }];
        let large = Submission {
            cases,
            limits: Limits {
                cpu: Duration::from_secs(4),
                memory_bytes,
                ..LIMITS
            },
            ..submission("def solve(x): return 0")
        };
        for (path, sandbox) in paths() {
            let verdict = run_in(sandbox, &large).verdict;
            assert!(
                matches!(verdict, Verdict::Passed | Verdict::OutOfMemory),
                "{path}, {count} numbers: {verdict}"
            );
        }
    }
}

#[test]
fn what_fills_the_memory_with_small_things_ran_out_of_it() {
    let limits = Limits {
        cpu: Duration::from_secs(8),
        memory_bytes: 96 << 20,
        ..LIMITS
    };
    let many = "def solve(x):\n    import struct\n    y = []\n    while True: y.append(struct.unpack('<I', b'abcd'))";
    assert_eq!(
        run_both(&Submission {
            limits,
            ..submission(many)
        })
        .verdict,
        Verdict::OutOfMemory
    );
}
