# rule: system=sixes,symbols=mixed
def write_numeral(n: int) -> str:
    out = ""
    for symbol, value in [("w", 1296), ("x", 216), ("z", 36), ("i", 6), ("o", 1)]:
        count, n = divmod(n, value)
        out += symbol * count
    return out
