# rule: rule=94,ends=ring
def next_row(cells: str) -> str:
    n = len(cells)
    result = ""
    for i in range(n):
        around = cells[i - 1] + cells[i] + cells[(i + 1) % n]
        result += "0" if around in ("111", "101", "000") else "1"
    return result
