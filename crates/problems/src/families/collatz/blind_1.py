# rule: divisor=2,else=5n+5,steps=12,result=peak
def walk(n: int) -> int:
    x = n
    peak = n
    for _ in range(12):
        if x % 2 == 0:
            x //= 2
        else:
            x = 5 * x + 5
        peak = max(peak, x)
    return peak
