# rule: angle=45,step=3,border=wrap,size=9
def walk(commands: str) -> list[int]:
    directions = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    x = y = 0
    facing = 0
    for c in commands:
        if c == "L":
            facing = (facing - 1) % 8
        elif c == "R":
            facing = (facing + 1) % 8
        else:
            step = 3 if c == "F" else -3
            dx, dy = directions[facing]
            x, y = (x + step * dx) % 9, (y + step * dy) % 9
    return [x, y]
