# rule: a=8,b=4,c=5,m=37
def combine(x: int, y: int) -> int:
    return (8 * x + 4 * y + 5) % 37
