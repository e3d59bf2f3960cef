# rule: x=5,order=highest,part=derivative,modulus=17
def evaluate(coefficients: list[int]) -> int:
    total = 0
    for i, c in enumerate(reversed(coefficients)):
        if i > 0:
            total += i * c * 5 ** (i - 1)
    return total % 17
