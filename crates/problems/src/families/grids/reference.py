def view(grid):
    if VIEW.startswith('bottom'):
        grid = grid[::-1]
    if '-right-' in VIEW:
        grid = [row[::-1] for row in grid]
    if VIEW.endswith('down') or VIEW.endswith('up'):
        grid = [list(column) for column in zip(*grid)]
    return grid


def along(grid):
    if PATH == 'snake':
        grid = [row[::-1] if y % 2 else row for y, row in enumerate(grid)]
    if PATH == 'spiral':
        items = []
        while grid:
            items += grid[0]
            grid = [list(column) for column in zip(*grid[1:])][::-1]
        return items
    if PATH == 'diagonals':
        height, width = len(grid), len(grid[0])
        places = [(y, x) for y in range(height) for x in range(width)]
        return [grid[y][x] for y, x in sorted(places, key=lambda place: (sum(place), place[0]))]
    return [item for row in grid for item in row]


def rings(grid):
    sums = {}
    for y, row in enumerate(grid):
        for x, item in enumerate(row):
            ring = min(y, x, len(grid) - 1 - y, len(row) - 1 - x)
            sums[ring] = sums.get(ring, 0) + item
    return [sums[ring] for ring in sorted(sums)]


def change_grid(grid):
    if PATH == 'rings':
        sums = rings(grid)
        if RESULT == 'border':
            return sums[0]
        if RESULT == 'inside':
            return sum(sums[1:])
        return sums if RESULT == 'rings' else sums[0] - sum(sums[1:])
    grid = view(grid)
    if PATH == 'grid':
        if RESULT == 'first-row':
            return grid[1:]
        return [row[:-1] for row in grid] if RESULT == 'last-column' else grid
    items = along(grid)
    if RESULT == 'second':
        return items[::2]
    if RESULT == 'third':
        return items[::3]
    if RESULT == 'differences':
        return [b - a for a, b in zip(items, items[1:])]
    if RESULT == 'rises':
        return sum(1 for a, b in zip(items, items[1:]) if b > a)
    if RESULT == 'weighted':
        return sum(place * item for place, item in enumerate(items, 1))
    return items
