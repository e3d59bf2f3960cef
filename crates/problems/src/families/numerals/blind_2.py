# rule: system=threes,symbols=mixed,style=counted
def write_numeral(n: int) -> str:
    out = ""
    symbols = "oizxwkpm"
    for i in range(len(symbols) - 1, -1, -1):
        count, n = divmod(n, 3 ** i)
        if count:
            out += str(count) + symbols[i]
    return out
