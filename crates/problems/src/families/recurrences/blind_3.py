# rule: p=1,q=2,s=1,r=3,m=31
def term(a: int, b: int, c: int, n: int) -> int:
    t = [a, b, c]
    for i in range(3, n + 1):
        t.append((t[i - 1] + 2 * t[i - 2] + t[i - 3] + 3) % 31)
    return t[n]
