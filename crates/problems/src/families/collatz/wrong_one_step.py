# only: RESULT = 'last'
def walk(n: int) -> int:
    remainder = n % (len(OTHERS) + 1)
    if remainder == 0:
        return n // (len(OTHERS) + 1)
    factor, added = OTHERS[remainder - 1]
    return factor * n + added
