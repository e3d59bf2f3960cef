# rule: step=2,border=wall,size=9,facing=east,asked=sum
def walk(commands: str) -> int:
    directions = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    x = y = 0
    facing = 1
    for c in commands:
        if c == "L":
            facing = (facing - 1) % 4
        elif c == "R":
            facing = (facing + 1) % 4
        else:
            step = 2 if c == "F" else -2
            dx, dy = directions[facing]
            new_x, new_y = x + step * dx, y + step * dy
            if -4 <= new_x <= 4 and -4 <= new_y <= 4:
                x, y = new_x, new_y
    return x + y
