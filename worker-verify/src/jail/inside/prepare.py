"""What a zygote does once so that none of its children has to. A child copies every page of memory that it writes to, if only to
count a reference, and that is the dearest part of a short run: here all that is set up lazily is set up, and all free memory
that lies scattered is taken, so that what children allocate is close together."""

import ctypes

PRELOADED = """abc array bisect cmath collections copy dataclasses datetime decimal enum fractions functools heapq itertools json
    math numbers operator random re statistics string typing"""
ROUNDS = 12
SAMPLE = b"""
import collections, dataclasses, functools, itertools, math, re
@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
@functools.lru_cache(None)
def power(n): return 1 if n < 1 else 2 * power(n - 1)
def solve(x):
    total, seen = 0, {}
    for i, c in enumerate(sorted(str(x) * 3)):
        total += int(c) ** 2
        seen[c] = seen.get(c, 0) + i
    try: seen['no']
    except KeyError as error: total -= len(f'{error!r} {total:>3}')
    words = [w for w in re.findall(r'[a-z]+', 'ab cd ef')]
    return [total, sum(i * i for i in range(x)), collections.Counter(words).most_common(1), power(5), Point(1).x, math.sqrt(4.0),
        list(itertools.chain([1], (2,))), {'a': 1}, 'x' * 3, None, True, (1, 2), ''.join(reversed('abc'))]
"""


def preload():
    """Imports the usual standard library. What it would do in every child of a fork it does only once the list that is returned
    holds something: in a candidate's own children."""
    is_candidate, register = [], os.register_at_fork
    later = lambda hook: lambda: is_candidate and hook()
    os.register_at_fork = lambda **hooks: register(**{when: later(hook) for when, hook in hooks.items()})
    for name in PRELOADED.split():
        __import__(name)
    os.register_at_fork = register
    sys.modules["random"].seed(0)
    return is_candidate


def rehearse():
    """Serves a sample in this process, often enough that the interpreter has specialised the code on the way and filled its
    caches. It writes nothing, and where it would leave it comes back."""
    class Left(BaseException):
        pass

    def leave(status):
        raise Left

    kept = os._exit, os.write
    os._exit, os.write = leave, lambda fd, data: len(data)
    serve = make_server()
    os._exit, os.write = kept
    blob = lambda data: struct.pack("<I", len(data)) + data
    case = blob(b"P\1\0\0\0I\1\0\0\0\7")
    request = bytes(8) + blob(b"solve") + blob(SAMPLE) + blob(struct.pack("<I", 10)) + case * 10
    for _ in range(ROUNDS):
        source, sink = os.pipe()
        os.write(sink, request)
        os.close(sink)
        try:
            serve(-1, source)
        except Left:
            pass
        os.close(source)
    del sys.modules["candidate"]
    sys.modules["re"].purge()


def fill():
    """Takes the free blocks of the interpreter's allocator, of each size until it begins a new pool; if pools should not be as they
    are in Python 3.11, a bounded number. What is returned must be kept."""
    kept, most, pool, head = [], 10_000, 1 << 14, 48
    for size in range(16, 513, 16):
        for _ in range(most):
            kept.append(object() if size == 16 else float(size) if size == 32 else bytes(size - 33))
            if id(kept[-1]) % pool == head:
                break
    return kept


def fill_heap():
    """Takes the free blocks of the C library's heap, the largest first, but for what is left at its end."""
    libc, most, left = ctypes.CDLL(None), 10_000, 140_000
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    end = libc.sbrk(0) - left
    for size in [1 << n for n in range(16, 10, -1)] + list(range(1024, 8, -16)):
        for _ in range(most):
            if not 0 < (libc.malloc(size) or 0) < end:
                break
