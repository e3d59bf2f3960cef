# rule: rule=139
def next_row(cells: str) -> str:
    padded = "0" + cells + "0"
    ones = ("111", "011", "001", "000")
    return "".join("1" if padded[i:i + 3] in ones else "0" for i in range(len(cells)))
