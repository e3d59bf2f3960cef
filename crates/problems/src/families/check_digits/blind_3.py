# rule: weights=2-3,modulus=9
def check_digit(s: str) -> int:
    weights = [2, 3]
    total = sum(int(d) * weights[i % 2] for i, d in enumerate(s))
    return total % 9
