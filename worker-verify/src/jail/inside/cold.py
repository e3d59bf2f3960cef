"""The cold path's end of the runner: one interpreter for one candidate. The request is on descriptor 0, the number of the
descriptor for frames is the argument."""

# As deep as in a plain script, below three more frames of ours.
sys.setrecursionlimit(sys.getrecursionlimit() + 3)
os.environ.pop("MALLOC_ARENA_MAX", None)
sys.stdin = io.TextIOWrapper(io.BytesIO(), "utf-8")
make_server()(int(sys.argv[1]), 0)
