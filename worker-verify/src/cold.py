"""The cold path's end of the runner: one interpreter for one candidate. The request is on descriptor 0, the number of the
descriptor for frames is the argument."""

sys.stdin = io.StringIO("")
make_server()(int(sys.argv[1]), 0)
