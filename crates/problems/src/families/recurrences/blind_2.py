# rule: p=4,r=3,m=29
def term(a: int, n: int) -> int:
    t = a
    for _ in range(n):
        t = (4 * t + 3) % 29
    return t
