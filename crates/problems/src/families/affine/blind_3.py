# rule: a=3,b=2,c=3,m=12
def combine(x: int, y: int) -> int:
    return (3 * x + 2 * y + 3) % 12
