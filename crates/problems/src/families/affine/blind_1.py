# rule: a=3,b=9,c=1,m=23
def combine(x: int, y: int) -> int:
    return (3 * x + 9 * y + 1) % 23
