# rule: angle=45,step=3,border=wall,size=9,facing=east,asked=sum
def walk(commands: str) -> int:
    directions = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    x = y = 0
    facing = 2
    for c in commands:
        if c == "L":
            facing = (facing - 1) % 8
        elif c == "R":
            facing = (facing + 1) % 8
        else:
            step = 3 if c == "F" else -3
            dx, dy = directions[facing]
            new_x, new_y = x + step * dx, y + step * dy
            if -4 <= new_x <= 4 and -4 <= new_y <= 4:
                x, y = new_x, new_y
    return x + y
