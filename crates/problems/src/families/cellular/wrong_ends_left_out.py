def next_row(cells: str) -> str:
    return ''.join(str(RULE >> int(cells[i:i + 3], 2) & 1) for i in range(len(cells) - 2))
