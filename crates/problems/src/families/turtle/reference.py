WAYS = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]


def walk(commands):
    x, y, direction = 0, 0, START
    visited = {(0, 0)}
    for command in commands:
        if command in 'LR':
            turn = ANGLE // 45
            direction = (direction + (turn if command == 'R' else -turn)) % 8
            continue
        step = STEP if command == 'F' else -STEP
        next_x = x + step * WAYS[direction][0]
        next_y = y + step * WAYS[direction][1]
        if BORDER == 'wrap':
            next_x, next_y = next_x % SIZE, next_y % SIZE
        if BORDER == 'wall' and max(abs(next_x), abs(next_y)) > SIZE // 2:
            continue
        x, y = next_x, next_y
        visited.add((x, y))
    if ASKED == 'place':
        return [x, y]
    return x + y if ASKED == 'sum' else len(visited)
