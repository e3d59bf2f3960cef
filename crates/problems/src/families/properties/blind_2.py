# rule: property=prime-factors,k=2,result=list
def prime_factors(n: int) -> int:
    count = 0
    p = 2
    while p * p <= n:
        while n % p == 0:
            n //= p
            count += 1
        p += 1
    return count + (n > 1)


def find_numbers(low: int, high: int) -> list[int]:
    return [n for n in range(low, high + 1) if prime_factors(n) == 2]
