# only: PATH = 'spiral'
# only: RESULT = 'list'
def change_grid(grid):
    return [item for row in grid for item in row]
