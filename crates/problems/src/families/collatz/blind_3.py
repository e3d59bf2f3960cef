# rule: divisor=3,else=1n+5|1n+1,steps=12,result=divided
def walk(n: int) -> int:
    x = n
    divisions = 0
    for _ in range(12):
        if x % 3 == 0:
            x //= 3
            divisions += 1
        elif x % 3 == 1:
            x += 5
        else:
            x += 1
    return divisions
