"""The first lines that an interpreter inside the jail runs. No file of ours is there to import, so
the worker hands over the sources of its modules in one text: this file, and behind it a call of
`load`."""

import sys


def load(parts):
    """Makes a module of each (name, source), in order, so that each can import those before it.
    Returns the last. None stays in `sys.modules`: a candidate finds there what any script finds."""
    for name, source in parts:
        module = type(sys)(name)
        sys.modules[name] = module
        exec(compile(source, f"<{name}>", "exec", dont_inherit=True), module.__dict__)
    for name, _ in parts:
        del sys.modules[name]
    return module
