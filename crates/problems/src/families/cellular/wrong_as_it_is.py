def next_row(cells: str) -> str:
    return cells
