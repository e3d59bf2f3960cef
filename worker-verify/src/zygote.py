"""The warm path's end of the runner: a small single-threaded interpreter inside the jail that forks one child per candidate.
`zygote.rs` is its other end and describes the messages. It holds no candidate's source, arguments or nonce: those go from the
worker straight to the child, which closes everything else first. What a child does to its memory dies with it.

Descriptor 0 holds two seccomp programs, the zygote's and a child's, behind the length of the first; the first argument names the
control socket. Nothing here may leave traces in the heap from run to run: a child's addresses, and so the order of its sets,
must not depend on how many ran before it."""

import _socket, ctypes, gc, resource

PRELOADED = """abc array bisect cmath collections copy dataclasses datetime decimal enum fractions functools heapq itertools json
    math numbers operator random re statistics string typing"""
NEWNS, NEWUTS, NEWIPC, NEWPID = 0x20000, 0x4000000, 0x8000000, 0x20000000
MS_NOSUID, MS_NODEV = 2, 4
PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 22, 38, 47, 4
SYS_CAPSET = 126
LAST_CAPABILITY, LAST_FD = 40, 1 << 16


def must(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def make_kernel():
    """System calls by name, each raising OSError on failure."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function, *kinds):
        function.argtypes = kinds
        return lambda *arguments: must(function(*arguments))

    text, number = ctypes.c_char_p, ctypes.c_ulong
    libc.syscall.restype = ctypes.c_long
    return (call(libc.unshare, ctypes.c_int), call(libc.setns, ctypes.c_int, ctypes.c_int),
            call(libc.mount, text, text, text, number, text), call(libc.prctl, ctypes.c_int, *[number] * 4),
            call(libc.syscall, *[number] * 3))


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
    """Takes, for good, the smallest blocks and the objects that the loop has freed: the order in which it left them changes from
    run to run, and with it the addresses of a candidate's objects."""
    return [[object(), complex(number), float(number), [], {}, (number,), (number, number)] for number in range(16)]


def make_child(program, kernel):
    unshare, _, mount, prctl, syscall = kernel
    buffers = program[0], ctypes.create_string_buffer(struct.pack("<Ii", 0x20080522, 0), 8), ctypes.create_string_buffer(24)
    at_program, at_header, at_none = map(ctypes.addressof, buffers)
    limited = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE,
               resource.RLIMIT_STACK, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE)

    def isolate(limits, scratch):
        unshare(NEWNS | NEWUTS | NEWIPC)
        mount(b"none", b"/tmp", b"tmpfs", MS_NOSUID | MS_NODEV, scratch)
        os.chdir("/tmp")
        os.setsid()
        for kind, limit in zip(limited, limits):
            resource.setrlimit(kind, (limit, limit))

    def lower():
        """Gives up everything: from here on nothing is ours any more but what the filters permit."""
        syscall(SYS_CAPSET, at_header, at_none, 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        prctl(PR_SET_SECCOMP, 2, at_program, 0, 0)

    def child(limits, scratch, private, results, output):
        """Isolates itself, waits for the request on the `private` socket, and serves it."""
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, min(private, results))
        os.closerange(min(private, results) + 1, max(private, results))
        os.closerange(max(private, results) + 1, LAST_FD)
        isolate(limits, scratch)
        _, ancillary, _, _ = _socket.socket(fileno=private).recvmsg(1, _socket.CMSG_SPACE(4))
        request = struct.unpack("i", ancillary[0][2])[0]
        os.dup2(request, 0)
        os.close(request)
        lower()
        sys.argv[1:] = [str(results)]
        sys.modules["random"].seed(0)  # it draws a new seed at every fork
        settled = settle()
        gc.enable()
        serve(results, 0)

    return child, (buffers, program)


def loop(control, child, kernel):
    unshare, setns, _, _, _ = kernel
    me = os.pidfd_open(os.getpid())
    order, answer, room = struct.Struct("<8Q64s"), struct.Struct("<iQQQ"), _socket.CMSG_SPACE(12)
    wait, pidfd_open, rights, three, one = os.wait4, os.pidfd_open, _socket.SCM_RIGHTS, struct.Struct("3i"), struct.Struct("i")

    def turn():
        message, ancillary, _, _ = control.recvmsg(order.size, room)
        if not message:
            os._exit(0)
        *limits, scratch = order.unpack(message)
        private, results, output = three.unpack(ancillary[0][2])
        del message, ancillary, _
        unshare(NEWPID)
        pid = os.fork()
        if pid == 0:
            try:
                child(limits, scratch.rstrip(b"\0"), private, results, output)
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}".encode())
            os._exit(79)
        pidfd = pidfd_open(pid)
        control.sendmsg([b"P"], [(_socket.SOL_SOCKET, rights, one.pack(pidfd))])
        for fd in (pidfd, private, results, output):
            os.close(fd)
        setns(me, NEWPID)
        _, status, usage = wait(pid, 0)
        control.send(answer.pack(status, int(usage.ru_utime * 1e6), int(usage.ru_stime * 1e6), usage.ru_maxrss))

    control.send(b"H")
    while True:
        turn()


def zygote():
    for name in PRELOADED.split():
        __import__(name)
    sys.stdin = io.StringIO("")
    kernel = make_kernel()
    _, _, _, prctl, _ = kernel
    # What is not in these two sets no program that a child executes can ever have; the zygote itself keeps what it has.
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(LAST_CAPABILITY + 1):
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    control = _socket.socket(fileno=int(sys.argv[1]))
    own, last = read_filters()
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(own[0]), 0, 0)
    child, kept = make_child(last, kernel)
    gc.disable()
    gc.collect()
    gc.freeze()
    loop(control, child, kernel)


zygote()
