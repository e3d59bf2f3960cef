# rule: x=6,order=highest,part=derivative,modulus=31
def evaluate(coefficients: list[int]) -> int:
    total = 0
    for i, c in enumerate(reversed(coefficients)):
        if i > 0:
            total += i * c * 6 ** (i - 1)
    return total % 31
