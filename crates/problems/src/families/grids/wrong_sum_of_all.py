# unless: PATH = 'grid'
def change_grid(grid):
    return sum(sum(row) for row in grid)
