# rule: divisor=2,else=7n+7,steps=12,result=sum
def walk(n: int) -> int:
    x = n
    total = n
    for _ in range(12):
        if x % 2 == 0:
            x //= 2
        else:
            x = 7 * x + 7
        total += x
    return total
