# rule: path=diagonals,start=bottom-left-up
def change_grid(grid: list[list[int]]) -> list[int]:
    if not grid:
        return []
    height, width = len(grid), len(grid[0])
    result = []
    for d in range(1 - height, width):
        for column in range(width):
            row = column - d
            if 0 <= row < height:
                result.append(grid[row][column])
    return result
