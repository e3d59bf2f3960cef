# unless: RULE = 51
def next_row(cells: str) -> str:
    for _ in range(STEPS):
        left, right = (cells[-1], cells[0]) if ENDS == 'zeros' else ('0', '0')
        row = left + cells + right
        cells = ''.join(str(RULE >> int(row[i:i + 3], 2) & 1) for i in range(len(cells)))
    return cells
