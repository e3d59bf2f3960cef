# rule: rule=89,steps=2
def next_row(cells: str) -> str:
    ones = ("110", "100", "011", "000")
    for _ in range(2):
        padded = "0" + cells + "0"
        cells = "".join("1" if padded[i:i + 3] in ones else "0" for i in range(len(cells)))
    return cells
