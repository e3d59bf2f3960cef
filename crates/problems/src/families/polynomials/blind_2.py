# rule: x=-2,modulus=13
def evaluate(coefficients: list[int]) -> int:
    return sum(c * (-2) ** i for i, c in enumerate(coefficients)) % 13
