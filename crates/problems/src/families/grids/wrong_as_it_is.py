def change_grid(grid):
    return grid
