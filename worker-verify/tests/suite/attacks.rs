//! Hostile candidates: each test names what is tried. None may pass or be counted as our failure, unless trying does no harm
//! and the values are right.

use crate::common::{expect, returns, run_both, submission};
use groklab_domain::{Value, Verdict};
use groklab_worker_verify::Submission;

// Forged verdicts.
attacks! {
    leaves_with_status_0_at_import: "import sys\nsys.exit(0)" => RuntimeError;
    leaves_with_status_0_in_the_function: "import os\ndef solve(x): os._exit(0)" => RuntimeError;
    leaves_with_status_0_through_atexit: "import atexit, os\natexit.register(os._exit, 0)\ndef solve(x): raise SystemExit(0)" => RuntimeError;
    leaves_as_if_killed: "import os\ndef solve(x): os._exit(137)" => RuntimeError;
    leaves_as_if_by_a_forbidden_call: "
import os
line = b'[I][now] pid=2 ([STANDALONE MODE]) terminated with signal: SIGSYS (31), (PIDs left: 0)\\n'
for fd in range(3, 1024):
    try: os.write(fd, line)
    except OSError: pass
os._exit(159)" => RuntimeError;
    lowers_its_cpu_limit_to_be_killed_as_if_from_outside: "
import ctypes, resource
libc, none = ctypes.CDLL(None), (ctypes.c_ulong * 2)(0, 0)
for number in (0, 1 << 32):
    libc.syscall(160, ctypes.c_ulong(number), none)
    libc.syscall(302, 0, ctypes.c_ulong(number), none, 0)
def solve(x): return x + 1 if resource.getrlimit(resource.RLIMIT_CPU)[1] > 1 else 'lowered'" => Passed;
    lowers_its_other_limits: "
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
def solve(x): return x + 1 if resource.getrlimit(resource.RLIMIT_CPU)[0] > 0 else 0" => Passed;
    fails_in_the_middle_of_an_exec: "
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 16, 1 << 16))
os.execv(sys.executable, ['python3'])" => RuntimeError | OutOfMemory;
    a_child_that_ends_with_a_kill_signal: "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def clone(flags):
    child = libc.syscall(56, ctypes.c_ulong(flags), 0, 0, 0, 0)
    if child == 0: os._exit(0)
    return ctypes.get_errno() if child < 0 else os.waitpid(child, 0)[1]
def solve(x): return x + 1 if [clone(9), clone(0x109), clone(1 << 32 | 9), clone(17)] == [1, 1, 1, 0] else 'made'" => Passed;
    sends_kill_signals: "
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
nine = ctypes.c_ulong(1 << 32 | 9)
calls = (62, 1, 9), (62, -1, 9), (62, 0, 9), (62, 1, nine), (200, 1, 9), (200, 1, nine), (234, 1, 1, 9), (234, 1, 1, nine)
signal.signal(10, lambda *_: None)
def solve(x):
    for call in calls:
        if libc.syscall(*call) != -1 or ctypes.get_errno() != 1: return str(call)
    os.kill(1, 10)
    return x + 1" => Passed;
    loses_its_protection_and_kills_itself: "
import ctypes, os, threading, time
libc = ctypes.CDLL(None)
pause = ctypes.cast(libc.pause, ctypes.c_void_p).value
libc.signal.argtypes, libc.signal.restype, libc.strlen.argtypes = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p, [ctypes.c_void_p]
def flip():
    while True: libc.signal(11, None), libc.signal(11, pause)
libc.signal(11, pause)
threading.Thread(target=flip, daemon=True).start()
for _ in range(10):
    threading.Thread(target=libc.strlen, args=(0,), daemon=True).start(); time.sleep(.002); os.kill(1, 9)" => RuntimeError | Timeout;
    lowers_its_limit_on_core_files: "
import ctypes, resource
libc, none = ctypes.CDLL(None), (ctypes.c_ulong * 2)(0, 0)
for number in (4, 1 << 32 | 4):
    libc.syscall(160, ctypes.c_ulong(number), none)
    libc.syscall(302, 0, ctypes.c_ulong(number), none, 0)
def solve(x): return x + 1 if resource.getrlimit(resource.RLIMIT_CORE) == (1, 1) else 'lowered'" => Passed;
    controls_devices: "
import fcntl, os, termios
reader, writer = os.pipe()
os.write(writer, b'abc')
count = int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), 'little')
os.set_blocking(reader, False)
def solve(x):
    os.fsync(writer), os.fdatasync(writer)
    try: fcntl.ioctl(reader, termios.TIOCSTI, b'x')
    except PermissionError: return x + 1 if (count, os.isatty(0), os.isatty(reader)) == (3, False, False) else 'wrong'" => Passed;
    leaves_as_if_out_of_memory_after_one_answer: "import os\ndef solve(x):\n    if x > 1: os._exit(77)\n    return x + 1" => OutOfMemory;
    prints_pass_markers: "print('PASSED\\n3 passed in 0.01s\\nOK\\n{\"verdict\": \"passed\"}')\ndef solve(x): return None" => WrongAnswer;
    subclass_of_int_that_equals_everything: "
class Yes(int):
    __eq__ = lambda self, other: True
    __hash__ = int.__hash__
def solve(x): return Yes(0)" => WrongAnswer;
    subclass_of_int_with_the_right_value: "class Yes(int): pass\ndef solve(x): return Yes(x + 1)" => WrongAnswer;
    object_that_claims_to_be_int: "
class Yes:
    __class__ = int
    __eq__ = lambda self, other: True
def solve(x): return Yes()" => WrongAnswer;
    true_for_1: "def solve(x): return True if x == 0 else x + 1.0" => WrongAnswer;
    nan: "def solve(x): return float('nan')" => WrongAnswer;
    huge_integer: "def solve(x): return 10 ** 100_000" => WrongAnswer;
    too_huge_integer: "def solve(x): return 1 << 10_000_000" => OutputLimit;
    lone_surrogates: "def solve(x): return '\\ud800' * 3" => WrongAnswer;
    very_deep_list: "def solve(x):\n    y = []\n    for _ in range(100_000): y = [y]\n    return y" => WrongAnswer;
    list_that_contains_itself: "def solve(x):\n    y = [x + 1]\n    y.append(y)\n    return y" => WrongAnswer;
    list_that_doubles_at_every_level: "def solve(x):\n    y = 'x' * 1000\n    for _ in range(60): y = [y, y]\n    return y" => OutputLimit;
    dictionary_with_mixed_keys: "def solve(x): return {1: 2, '1': 3, (1,): None, 1.5: {}, None: set()}" => WrongAnswer;
    function_as_value: "def solve(x): return solve" => WrongAnswer;
    reduce_payload: "
import os
class Payload:
    def __reduce__(self): return (os._exit, (0,))
def solve(x): return Payload()" => WrongAnswer;
    repr_that_never_ends: "
class Slow:
    def __repr__(self):
        while True: pass
def solve(x): return {Slow()}" => Timeout;
    only_the_first_value_right: "def solve(x): return 2" => WrongAnswer;
    replaces_builtins: "
import builtins
for name in ('all', 'len', 'type', 'isinstance', 'repr', 'bytearray', 'range', 'callable'):
    setattr(builtins, name, lambda *a, **k: True)
def solve(x): return None" => WrongAnswer;
    replaces_builtins_and_still_answers: "
import builtins, os, struct, json, time
builtins.type = builtins.len = builtins.tuple = None
os.write = os._exit = struct.pack = json.dumps = time.time = None
def solve(x): return x + 1" => Passed;
    replaces_functions_of_the_runner: "
import sys
frame = sys._getframe()
while 'make_server' not in frame.f_globals: frame = frame.f_back
for name in list(frame.f_globals):
    if not name.startswith('__'): frame.f_globals[name] = lambda *a, **k: 0
def solve(x): return None" => WrongAnswer;
    raises_an_exception_with_hostile_text: "
class Bad(Exception):
    def __str__(self): raise Bad
def solve(x): raise Bad" => RuntimeError;
    walks_the_heap_for_expected_values: "
import gc, sys
def solve(x):
    frame = sys._getframe()
    while frame:
        if any('expected' in str(name) for name in frame.f_locals): return x + 1
        frame = frame.f_back
    return 4 if any(type(o) is dict and 'expected' in o for o in gc.get_objects()) else None" => WrongAnswer;
}

/// Forges frames with the nonce found by walking the runner's frames.
const FORGER: &str = "
import os, struct, sys
frame = sys._getframe()
while 'nonce' not in frame.f_locals: frame = frame.f_back
nonce, fd = frame.f_locals['nonce'], frame.f_locals['fd']
def send(body): os.write(fd, nonce + struct.pack('<I', len(body)) + body)
def value(case, n): send(b'V' + struct.pack('<I', case) + b'I' + struct.pack('<I', 1) + bytes([n]))
";

#[test]
fn forges_wrong_frames_for_every_case() {
    expect(
        &format!("{FORGER}\nfor i in range(3): value(i, 0)\nsend(b'Z')\nos._exit(0)"),
        &[Verdict::WrongAnswer],
    );
}

#[test]
fn forges_right_frames_and_lets_the_runner_go_on() {
    expect(
        &format!(
            "{FORGER}\nfor i in range(3): value(i, i + 2)\nsend(b'Z')\ndef solve(x): return 0"
        ),
        &[Verdict::RuntimeError],
    );
}

#[test]
fn repeats_the_only_right_frame() {
    expect(
        &format!("{FORGER}\nfor i in range(3): value(0, 2)\nsend(b'Z')\nos._exit(0)"),
        &[Verdict::RuntimeError],
    );
}

#[test]
fn leaves_without_the_last_frame() {
    expect(
        &format!("{FORGER}\nfor i in range(3): value(i, i + 2)\nos._exit(0)"),
        &[Verdict::RuntimeError],
    );
}

#[test]
fn right_frames_then_an_endless_loop() {
    expect(
        &format!("{FORGER}\nfor i in range(3): value(i, i + 2)\nsend(b'Z')\nwhile True: pass"),
        &[Verdict::Timeout],
    );
}

#[test]
fn right_frames_then_a_bad_exit() {
    expect(
        &format!("{FORGER}\nfor i in range(3): value(i, i + 2)\nsend(b'Z')\nos._exit(3)"),
        &[Verdict::RuntimeError],
    );
}

#[test]
fn a_frame_that_claims_four_gigabytes() {
    expect(
        &format!("{FORGER}\nos.write(fd, nonce + b'\\xff\\xff\\xff\\xff')\nos._exit(0)"),
        &[Verdict::RuntimeError],
    );
}

// The result pipe.
attacks! {
    writes_frames_to_every_descriptor: "
import os
for fd in range(1024):
    try: os.write(fd, bytes(8) + b'\\x0a\\0\\0\\0V\\0\\0\\0\\0I\\x01\\0\\0\\0\\x02')
    except OSError: pass
def solve(x): return x + 1" => RuntimeError;
    closes_the_result_pipe: "import os\nos.closerange(0, 1024)\ndef solve(x): return x + 1" => RuntimeError;
    redirects_the_result_pipe: "
import os, sys
fd = int(sys.argv[1])
os.dup2(1, fd)
def solve(x): return x + 1" => RuntimeError;
    floods_the_result_pipe: "
import os, sys
while True: os.write(int(sys.argv[1]), bytes(1 << 20))" => OutputLimit;
    forks_so_that_two_answer: "import os\ndef solve(x):\n    os.fork()\n    return x + 1" => Passed;
}

#[test]
fn returns_the_mutated_input() {
    let code = "def solve(x):\n    x[:] = [1, 2, 3]\n    return x";
    let case = groklab_worker_verify::Case {
        args: vec![Value::List(vec![])],
        expected: Value::List(vec![]),
        visible: true,
    };
    let outcome = run_both(&Submission {
        cases: vec![case.clone(), case],
        ..submission(code)
    });
    assert_eq!(outcome.verdict, Verdict::WrongAnswer);
}

#[test]
fn true_and_floats_are_not_integers() {
    assert_eq!(
        returns("def solve(): return True", Value::int(1)).verdict,
        Verdict::WrongAnswer
    );
    assert_eq!(
        returns("def solve(): return 1.0", Value::int(1)).verdict,
        Verdict::WrongAnswer
    );
    assert_eq!(
        returns("def solve(): return 1", Value::Bool(true)).verdict,
        Verdict::WrongAnswer
    );
    assert_eq!(
        returns("def solve(): return (1,)", Value::List(vec![Value::int(1)])).verdict,
        Verdict::WrongAnswer
    );
}

// Escape and persistence.
attacks! {
    child_leaves_the_session_and_holds_the_pipes: "
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(3600)
    os._exit(0)
def solve(x): return x + 1" => Passed;
    kills_everything: "import os\ndef solve(x):\n    os.kill(-1, 9)\n    return x" => RuntimeError | WrongAnswer;
    kills_its_own_group: "import os\ndef solve(x):\n    os.kill(0, 9)\n    return x" => RuntimeError | WrongAnswer;
    kills_its_parent: "import os\ndef solve(x):\n    os.kill(os.getppid(), 9)\n    return x" => RuntimeError | WrongAnswer;
    ignores_signals_and_loops: "
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass" => Timeout;
    writes_outside_the_scratch_folder: "open('/usr/lib/x', 'w')" => RuntimeError;
    writes_into_the_interpreter: "import os\nopen(os.__file__, 'a')" => RuntimeError;
    follows_a_symbolic_link_out: "import os\nos.symlink('/etc/passwd', '/tmp/link')\nopen('/tmp/link')" => RuntimeError;
    reads_the_process_table: "open('/proc/1/environ')" => RuntimeError;
    reads_devices: "open('/dev/shm/x', 'w')" => RuntimeError;
    finds_no_environment: "import os\ndef solve(x): return x + len(os.environ)" => Passed;
    opens_an_internet_socket: "import socket\nsocket.create_connection(('127.0.0.1', 5432), 1)" => RuntimeError;
    opens_an_abstract_socket: "import socket\nsocket.socket(socket.AF_UNIX).bind('\\0groklab')" => RuntimeError;
    makes_a_socket_pair: "import socket\nsocket.socketpair()" => RuntimeError;
    makes_shared_memory: "from multiprocessing import shared_memory\nshared_memory.SharedMemory(create=True, size=10)" => RuntimeError;
    executes_a_shell: "import os\nos.execv('/bin/sh', ['sh'])" => RuntimeError;
    executes_another_interpreter: "import os, sys\nos.execv(sys.executable, ['python3', '-c', 'print(1)'])" => RuntimeError;
}

/// Makes one system call by its number.
#[track_caller]
fn system_call(number: u32, arguments: &str, verdict: Verdict) {
    let code = format!(
        "import ctypes\nctypes.CDLL(None).syscall({number}, {arguments})\ndef solve(x): return x"
    );
    expect(&code, &[verdict]);
}

#[test]
fn forbidden_system_calls() {
    let calls = [
        ("ptrace", 101),
        ("process_vm_readv", 310),
        ("process_vm_writev", 311),
        ("bpf", 321),
        ("io_uring_setup", 425),
        ("keyctl", 250),
        ("add_key", 248),
        ("userfaultfd", 323),
        ("mount", 165),
        ("umount", 166),
        ("pivot_root", 155),
        ("chroot", 161),
        ("unshare", 272),
        ("setns", 308),
        ("perf_event_open", 298),
        ("open_by_handle_at", 304),
        ("kexec_load", 246),
        ("init_module", 175),
        ("reboot", 169),
    ];
    for (name, number) in calls {
        eprintln!("{name}");
        system_call(number, "0, 0, 0, 0, 0", Verdict::Forbidden);
    }
}

#[test]
fn clones_into_a_new_user_namespace() {
    system_call(56, "0x10000011, 0, 0, 0, 0", Verdict::Forbidden);
}

#[test]
fn makes_a_32_bit_system_call_from_scratch() {
    // mov eax, 20; int 0x80; ret: the 32-bit getpid, which a filter for 64-bit calls alone would let through.
    let code = "
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex('b814000000cd80c3'))
call = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
def solve(x): return call()";
    expect(code, &[Verdict::Forbidden, Verdict::RuntimeError]);
}

// What runs inside the runner's own frames, or where it stands.
attacks! {
    traces_the_runner: "
import sys, threading
seen = []
def trace(frame, event, arg):
    seen.append(frame.f_code.co_name)
    return trace
sys.settrace(trace)
sys.setprofile(trace)
def solve(x): return 'expected' if any('expect' in name for name in seen) else 0" => WrongAnswer | Timeout;
    interrupts_the_runner_by_an_alarm: "
import signal
def raise_(*_): raise SystemExit(0)
signal.signal(signal.SIGALRM, raise_)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
def solve(x):
    while True: pass" => RuntimeError | Timeout;
    an_audit_hook_that_leaves: "
import os, sys
sys.addaudithook(lambda *_: os._exit(0))
def solve(x): return open('/tmp/x', 'w')" => RuntimeError;
    a_result_that_changes_while_it_is_read: "
class L(list):
    def __iter__(self): raise SystemExit(0)
def solve(x): return [L([x + 1])]" => WrongAnswer;
    a_metaclass_that_lies_about_types: "
class Meta(type):
    def __eq__(self, other): return True
    def __hash__(self): return hash(int)
    __name__ = 'int'
class Yes(metaclass=Meta): pass
def solve(x): return Yes()" => WrongAnswer;
    an_exception_class_that_claims_to_be_memory: "
class Bad(BaseException):
    __mro__ = (MemoryError,)
def solve(x): raise Bad" => RuntimeError;
    executes_itself_anew_with_the_result_pipe: "
import os, sys
os.set_inheritable(int(sys.argv[1]), True)
os.execv(sys.executable, ['python3', '-S', '-c', 'import os; os.write(' + sys.argv[1] + ', bytes(64))'])" => RuntimeError;
    claims_that_the_set_up_failed: "import os\nos.write(2, b'OSError: no')\nos._exit(79)" => RuntimeError;
    crashes: "import ctypes\nctypes.string_at(0)" => RuntimeError;
    aborts: "import os\nos.abort()" => RuntimeError;
    stops_itself: "import os, signal\nos.kill(1, signal.SIGSTOP)\ndef solve(x): return x + 1" => Passed;
    a_child_that_stops_and_is_waited_for: "
import os, signal
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
def solve(x): os.waitpid(child, 0)" => Timeout;
    locks_the_standard_library: "
import fcntl, os
kept = open(os.__file__)
try: fcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError: pass
def solve(x): return x + 1" => Passed;
    reads_the_machines_memory: "open('/dev/mem')" => RuntimeError;
    asks_for_the_interpreters_package_tool: "import ensurepip, pip" => RuntimeError;
}

// The runner's own state, reached by its frames, by ctypes and by hooks. All of it is the candidate's to break; none of it judges.
attacks! {
    gives_itself_the_first_case_again: "
import sys
frame = sys._getframe()
while 'cases' not in frame.f_locals: frame = frame.f_back
cases = frame.f_locals['cases']
cases[1] = cases[2] = cases[0]
def solve(x): return x + 1" => WrongAnswer;
    gives_itself_more_cases: "
import sys
frame = sys._getframe()
while 'cases' not in frame.f_locals: frame = frame.f_back
frame.f_locals['cases'].extend(frame.f_locals['cases'] * 1000)
def solve(x): return x + 1" => RuntimeError;
    takes_all_cases_away: "
import sys
frame = sys._getframe()
while 'cases' not in frame.f_locals: frame = frame.f_back
frame.f_locals['cases'].clear()
def solve(x): return x + 1" => RuntimeError;
    jumps_over_the_comparison_it_expects: "
import sys
def jump(frame, event, arg):
    try: frame.f_lineno += 9
    except ValueError: pass
    return jump
frame = sys._getframe()
while frame.f_code.co_name != 'run': frame = frame.f_back
frame.f_trace = jump
sys.settrace(lambda *_: None)
def solve(x): return 0" => WrongAnswer | RuntimeError;
    makes_one_small_number_equal_another: "
import ctypes
ctypes.memmove(id(2) + 24, id(3) + 24, 4)
def solve(x): return 2" => WrongAnswer | RuntimeError;
    returns_from_the_runner_by_a_profile_hook: "
import sys
def leave(frame, event, arg):
    if event == 'return' and frame.f_code.co_name == 'one': raise SystemExit(0)
sys.setprofile(leave)
def solve(x): return 0" => RuntimeError;
    an_error_handler_that_answers_for_surrogates: "
import codecs
codecs.register_error('surrogatepass', lambda error: ('2', error.end))
def solve(x): return '\\ud800'" => WrongAnswer;
    an_error_handler_that_never_ends: "
import codecs
def handler(error):
    while True: pass
codecs.register_error('backslashreplace', handler)
def solve(x): raise ValueError('\\ud800')" => Timeout | RuntimeError;
    an_exception_class_whose_name_raises: "
class Meta(type):
    @property
    def __name__(cls): raise SystemExit(0)
class Bad(Exception, metaclass=Meta): pass
def solve(x): raise Bad" => RuntimeError;
    replaces_random_by_what_leaves: "
import os, sys
class Random: seed = staticmethod(lambda number: os._exit(0))
sys.modules['random'] = Random
def solve(x): return x + 1" => Passed;
    replaces_how_random_is_seeded: "
import random
random.seed = random.Random.seed = lambda *_: 1 / 0
def solve(x): return x + 1" => Passed;
    breaks_imports_and_classes: "
import builtins, sys
sys.meta_path[:] = []
builtins.__import__ = builtins.__build_class__ = None
def solve(x): return x + 1" => Passed;
    leaves_by_the_fault_handlers_clock: "
import faulthandler
faulthandler.dump_traceback_later(0.01, exit=True)
def solve(x):
    while True: pass" => RuntimeError;
    sends_itself_the_signal_of_a_forbidden_call: "import os\nos.kill(1, 31)\nos.kill(0, 11)\ndef solve(x): return x + 1" => Passed;
    leaves_when_it_is_destroyed: "
import os
class Last:
    def __del__(self): os._exit(0)
kept = Last()
def solve(x): return x + 1" => Passed;
    raises_the_runners_own_exception: "
import sys
def solve(x):
    frame = sys._getframe()
    while 'TooLarge' not in frame.f_globals: frame = frame.f_back
    raise frame.f_globals['TooLarge']" => OutputLimit;
}

// More than one process or thread at the result pipe.
attacks! {
    a_thread_writes_frames_between_the_runners: "
import os, struct, sys, threading
frame = sys._getframe()
while 'nonce' not in frame.f_locals: frame = frame.f_back
nonce, fd = frame.f_locals['nonce'], frame.f_locals['fd']
def write():
    for _ in range(2000): os.write(fd, nonce + struct.pack('<I', 10) + b'V' + bytes(4) + b'I' + struct.pack('<I', 1) + b'\\0')
threading.Thread(target=write).start()
def solve(x):
    sum(range(100_000))
    return x + 1" => RuntimeError | Passed;
    the_parent_leaves_and_the_child_answers: "import os\nif os.fork(): os._exit(0)\ndef solve(x): return x + 1" => RuntimeError;
    the_child_answers_as_its_parent_and_the_parent_leaves: "
import os
child = os.fork()
if child:
    os.waitpid(child, 0)
    os._exit(0)
os.getpid = lambda: 1
def solve(x): return x + 1" => RuntimeError;
    sends_a_file_down_the_result_pipe: "import os, sys\nos.sendfile(int(sys.argv[1]), os.open(os.__file__, 0), 0, 100)\ndef solve(x): return x + 1" => RuntimeError;
    a_result_pipe_that_does_not_wait: "
import fcntl, os, sys
fcntl.fcntl(int(sys.argv[1]), fcntl.F_SETFL, os.O_NONBLOCK)
def solve(x): return 'x' * 900_000" => RuntimeError | WrongAnswer;
    wants_signals_from_the_result_pipe: "
import fcntl, os, sys
fd = int(sys.argv[1])
for command, value in (8, 1), (10, 9), (1024, 1), (1026, 1):
    try: fcntl.fcntl(fd, command, value)
    except PermissionError: continue
    raise SystemExit(command)
fcntl.fcntl(fd, fcntl.F_SETFL, os.O_ASYNC)
def solve(x): return x + 1" => Passed;
}
