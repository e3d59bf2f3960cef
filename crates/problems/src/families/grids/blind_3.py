# rule: turn=upside-down,without=first-row
def change_grid(grid: list[list[int]]) -> list[list[int]]:
    return grid[::-1][1:]
