# rule: turn=columns-backwards,without=last-column
def change_grid(grid: list[list[int]]) -> list[list[int]]:
    turned = [list(column) for column in zip(*grid[::-1])][::-1]
    return [row[:-1] for row in turned]
