"""What a zygote does once so that none of its children has to. A child copies every page of memory
that it writes to, if only to count a reference, and that is the dearest part of a short run: here
all that is set up lazily is set up, and all free memory that lies scattered is taken, so that what
children allocate is close together."""

import ctypes
import os
import struct
import sys

from runner import make_server

PRELOADED = """
    abc array bisect cmath collections copy dataclasses datetime decimal enum fractions functools
    heapq itertools json math numbers operator random re statistics string typing
""".split()
# Python specialises code that has run several times; this is often enough for all of it.
REHEARSALS = 12
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
    return [total, sum(i * i for i in range(x)), collections.Counter(words).most_common(1),
        power(5), Point(1).x, math.sqrt(4.0), list(itertools.chain([1], (2,))), {'a': 1},
        'x' * 3, None, True, (1, 2), ''.join(reversed('abc'))]
"""
# More blocks than any allocator has free when an interpreter has just started.
MAX_BLOCKS = 10_000
# Python 3.11 takes memory in pools of this size, and a pool's first block is behind this header.
POOL_BYTES, POOL_HEADER_BYTES = 1 << 14, 48
# Left free at the end of the C library's heap, for children to allocate from.
HEAP_LEFT_BYTES = 140_000


def preload():
    """Imports the usual standard library. What a module would do in every child of a fork it does
    only once the list that is returned holds something: in a candidate's own children."""
    is_candidate, register = [], os.register_at_fork

    def only_for_candidates(hook):
        return lambda: is_candidate and hook()

    def register_for_candidates(**hooks):
        register(**{when: only_for_candidates(hook) for when, hook in hooks.items()})

    os.register_at_fork = register_for_candidates
    for name in PRELOADED:
        __import__(name)
    os.register_at_fork = register
    sys.modules["random"].seed(0)
    return is_candidate


def blob(data):
    return struct.pack("<I", len(data)) + data


class Left(BaseException):
    """The runner would have ended the process."""


def leave(_status):
    raise Left


def rehearse():
    """Serves a sample in this process, often enough that the interpreter has specialised the code
    on the way and filled its caches. It writes nothing, and where it would leave it comes back."""
    kept = os._exit, os.write
    os._exit, os.write = leave, lambda fd, data: len(data)
    serve = make_server()
    os._exit, os.write = kept
    # Ten cases with the one argument 7.
    case = blob(b"P\1\0\0\0I\1\0\0\0\7")
    request = bytes(8) + blob(b"solve") + blob(SAMPLE) + blob(struct.pack("<I", 10)) + case * 10
    for _ in range(REHEARSALS):
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


def block(size):
    """An object that takes one block of `size` bytes, a multiple of 16."""
    if size == 16:
        return object()
    if size == 32:
        return float(size)
    # A bytes object has 33 bytes beside its content.
    return bytes(size - 33)


def fill_pools():
    """Takes the free blocks of the interpreter's allocator, of each size until it begins a new
    pool; if pools should not be as they are in Python 3.11, a bounded number. What is returned must
    be kept."""
    kept = []
    for size in range(16, 513, 16):
        for _ in range(MAX_BLOCKS):
            kept.append(block(size))
            if id(kept[-1]) % POOL_BYTES == POOL_HEADER_BYTES:
                break
    return kept


def fill_heap():
    """Takes the free blocks of the C library's heap, the largest first, but for what is left at its
    end."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    end = libc.sbrk(0) - HEAP_LEFT_BYTES
    sizes = [1 << n for n in range(16, 10, -1)] + list(range(1024, 8, -16))
    for size in sizes:
        for _ in range(MAX_BLOCKS):
            if not 0 < (libc.malloc(size) or 0) < end:
                break
