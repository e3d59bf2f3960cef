"""The warm path's end of the runner: a small single-threaded interpreter inside the jail that forks
one child per candidate. `zygote.rs` is its other end and describes the messages. It never reads a
candidate's source, arguments or nonce: the worker writes those into the request file once the child
has closed everything else. What a child does to its memory dies with it.

Descriptor 0 holds two seccomp programs, the zygote's and a child's, behind the length of the first;
the first argument names the control socket. Nothing here may leave traces in the heap from run to
run: a child's addresses, and so the order of its sets, must not depend on how many ran before it.
`prepare.py` does beforehand what would cost every child time."""

import _socket
import ctypes
import gc
import io
import os
import resource
import struct
import sys

from prepare import fill_heap, fill_pools, preload, rehearse
from runner import make_server, read_rest

# From <linux/sched.h>, <linux/mount.h>, <linux/prctl.h> and <linux/seccomp.h>.
NEWNS, NEWUTS, NEWIPC, NEWPID = 0x20000, 0x4000000, 0x8000000, 0x20000000
MS_NOSUID, MS_NODEV = 2, 4
PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 22, 24, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
SYS_CAPSET, CAPABILITY_VERSION_3 = 126, 0x20080522
LAST_CAPABILITY, LAST_FD = 40, 1 << 16

# Frames of ours below a candidate's first: the program, `main`, `loop`, `turn`, `child`, `serve`
# and `run`.
OWN_FRAMES = 7
# A child's exit status if it could not isolate itself.
NOT_ISOLATED = 79


def must(name, result):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def make_kernel():
    """System calls, each raising OSError on failure: unshare, setns, mount, prctl, syscall."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function, *kinds):
        function.argtypes, name = kinds, function.__name__
        return lambda *arguments: must(name, function(*arguments))

    text, number, integer = ctypes.c_char_p, ctypes.c_ulong, ctypes.c_int
    libc.syscall.restype = ctypes.c_long
    return (
        call(libc.unshare, integer),
        call(libc.setns, integer, integer),
        call(libc.mount, text, text, text, number, text),
        call(libc.prctl, integer, *[number] * 4),
        call(libc.syscall, *[number] * 3),
    )


class Filter(ctypes.Structure):
    """`struct sock_fprog`"""

    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def read_filters():
    """The zygote's program and a child's, each with the buffer that it points to."""
    data = read_rest(0)
    end = 4 + struct.unpack("<I", data[:4])[0]
    codes = [ctypes.create_string_buffer(part, len(part)) for part in (data[4:end], data[end:])]
    return [(Filter(len(code) // 8, ctypes.addressof(code)), code) for code in codes]


def settle():
    """Takes, for good, the smallest blocks and the objects that the loop has freed: the order in
    which it left them changes from run to run, and with it the addresses of a candidate's
    objects."""
    return [
        [object(), complex(number), float(number), [], {}, (number,), (number, number)]
        for number in range(16)
    ]


def make_child(program, kernel, serve, is_candidate):
    """The function that a forked child runs, and what must be kept for as long as it is used. All
    that it needs is made here, once: a child that makes objects copies pages."""
    unshare, _, mount, prctl, syscall = kernel
    header = ctypes.create_string_buffer(struct.pack("<Ii", CAPABILITY_VERSION_3, 0), 8)
    no_capabilities = ctypes.create_string_buffer(24)
    buffers = program[0], header, no_capabilities
    at_program, at_header, at_none = map(ctypes.addressof, buffers)
    dup2, closerange, chdir, setsid = os.dup2, os.closerange, os.chdir, os.setsid
    setrlimit, enable_gc, arguments = resource.setrlimit, gc.enable, sys.argv
    read, write, close, leave = os.read, os.write, os.close, os._exit
    cpu, address_space = resource.RLIMIT_CPU, resource.RLIMIT_AS
    processes = resource.RLIMIT_NPROC
    kinds, flags, last = NEWNS | NEWUTS | NEWIPC, MS_NOSUID | MS_NODEV, LAST_FD

    def isolate(limits, scratch):
        unshare(kinds)
        mount(b"none", b"/tmp", b"tmpfs", flags, scratch)
        chdir("/tmp")
        setsid()
        setrlimit(cpu, (limits[0], limits[0]))
        setrlimit(address_space, (limits[1], limits[1]))
        setrlimit(processes, (limits[2], limits[2]))

    def child(limits, scratch, request, private, results, output):
        """Isolates itself, says so on the `private` socket, waits there until the request has been
        written, and serves it."""
        dup2(request, 0)
        dup2(output, 1)
        dup2(output, 2)
        closerange(3, private)
        closerange(private + 1, results)
        closerange(results + 1, last)
        isolate(limits, scratch)
        write(private, b"P")
        if read(private, 1) != b"G":
            leave(0)
        close(private)
        # Gives up everything: from here on nothing is ours any more but what the filters permit.
        syscall(SYS_CAPSET, at_header, at_none, 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, at_program, 0, 0)
        is_candidate.append(True)
        arguments[1:] = [str(results)]
        # Held while the candidate runs, so that nothing it allocates lies where this does.
        settled = settle()  # noqa: F841
        enable_gc()
        serve(results, 0)

    return child, (buffers, program)


def loop(control, child, kernel):
    """Takes orders from the control socket until that is closed."""
    unshare, setns, _, _, _ = kernel
    me = os.pidfd_open(os.getpid())
    order, answer = struct.Struct("<3Q64s"), struct.Struct("<iQQQ")
    room, four = _socket.CMSG_SPACE(16), struct.Struct("4i")
    wait, fork, close = os.wait4, os.fork, os.close

    def turn():
        message, ancillary, _, _ = control.recvmsg(order.size, room)
        if not message:
            os._exit(0)
        *limits, scratch = order.unpack(message)
        fds = four.unpack(ancillary[0][2])
        del message, ancillary, _
        unshare(NEWPID)
        pid = fork()
        if pid == 0:
            try:
                child(limits, scratch.rstrip(b"\0"), *fds)
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}".encode())
            os._exit(NOT_ISOLATED)
        # Everything else has time until the child is gone: until then, each page that is written to
        # is copied.
        _, status, usage = wait(pid, 0)
        for fd in fds:
            close(fd)
        # `unshare` works once per process; to enter one's own namespace again resets that.
        setns(me, NEWPID)
        user, system = int(usage.ru_utime * 1e6), int(usage.ru_stime * 1e6)
        control.send(answer.pack(status, user, system, usage.ru_maxrss))

    control.send(b"H")
    while True:
        turn()


def give_up_capabilities(prctl):
    """What is not in these two sets no program that a child executes can ever have; the zygote
    itself keeps what it has."""
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(LAST_CAPABILITY + 1):
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def main():
    # They have had their effect on the C library; candidates know nothing of them.
    for name in ("LD_BIND_NOW", "MALLOC_ARENA_MAX"):
        os.environ.pop(name, None)
    is_candidate = preload()
    rehearse()
    # A candidate can recurse as deep as a plain script.
    sys.setrecursionlimit(sys.getrecursionlimit() + OWN_FRAMES)
    sys.stdin = io.TextIOWrapper(io.BytesIO(), "utf-8")
    kernel = make_kernel()
    _, _, _, prctl, _ = kernel
    give_up_capabilities(prctl)
    control = _socket.socket(fileno=int(sys.argv[1]))
    own, last = read_filters()
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(own[0]), 0, 0)
    child, kept = make_child(last, kernel, make_server(), is_candidate)  # noqa: F841
    gc.disable()
    gc.collect()
    filling = fill_pools()  # noqa: F841
    fill_heap()
    gc.freeze()
    loop(control, child, kernel)
