# rule: coins=2-3-4,limit=2,asked=orders
from math import factorial


def pay(amounts: list[int]) -> list[int]:
    result = []
    for amount in amounts:
        ways = 0
        for a in range(3):
            for b in range(3):
                for c in range(3):
                    if 2 * a + 3 * b + 4 * c == amount:
                        ways += factorial(a + b + c) // (factorial(a) * factorial(b) * factorial(c))
        result.append(ways)
    return result
