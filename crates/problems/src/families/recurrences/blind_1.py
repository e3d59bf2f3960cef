# rule: p=2,q=1,s=2,m=29
def term(a: int, b: int, c: int, n: int) -> int:
    t = [a, b, c]
    for i in range(3, n + 1):
        t.append((2 * t[i - 1] + t[i - 2] + 2 * t[i - 3]) % 29)
    return t[n]
