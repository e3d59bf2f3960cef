"""The cold path's end of the runner: one interpreter for one candidate. The request is on
descriptor 0, the number of the descriptor for frames is the argument."""

import io
import os
import sys

from runner import make_server

# Frames of ours below a candidate's first: the program, `main`, `serve` and `run`.
OWN_FRAMES = 4


def main():
    # A candidate can recurse as deep as a plain script.
    sys.setrecursionlimit(sys.getrecursionlimit() + OWN_FRAMES)
    # It has had its effect on the C library; the candidate knows nothing of it.
    os.environ.pop("MALLOC_ARENA_MAX", None)
    sys.stdin = io.TextIOWrapper(io.BytesIO(), "utf-8")
    make_server()(int(sys.argv[1]), 0)
