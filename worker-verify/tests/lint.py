"""Checks each Python file alone, with nothing but the standard library: that it compiles, that
every name it uses is one that it defines, imports or finds among the builtins, that it uses every
import, and that no line is over 100 columns. Prints what it finds; exits with 1 if there is any."""

import builtins
import symtable
import sys

MAX_COLUMNS = 100
# Names that every module has.
MODULE_NAMES = {"__name__", "__file__", "__doc__", "__builtins__"}


def scopes(table):
    yield table
    for child in table.get_children():
        yield from scopes(child)


def findings(path):
    with open(path, encoding="utf-8") as file:
        source = file.read()
    for number, line in enumerate(source.splitlines(), 1):
        if len(line) > MAX_COLUMNS:
            yield f"{path}:{number}: {len(line)} columns"
    try:
        module = symtable.symtable(source, path, "exec")
        compile(source, path, "exec")
    except SyntaxError as error:
        yield f"{path}:{error.lineno}: {error.msg}"
        return
    defined, imported, used = set(MODULE_NAMES), set(), set()
    for symbol in module.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            defined.add(symbol.get_name())
        if symbol.is_imported():
            imported.add(symbol.get_name())
    for scope in scopes(module):
        for symbol in scope.get_symbols():
            name = symbol.get_name()
            if symbol.is_referenced() and (scope is module or symbol.is_global()):
                used.add(name)
                if name not in defined and not hasattr(builtins, name):
                    yield f"{path}: {scope.get_name()} uses `{name}`, which is not defined"
    for name in sorted(imported - used):
        yield f"{path}: `{name}` is imported and not used"


def main():
    found = [line for path in sys.argv[1:] for line in findings(path)]
    print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
