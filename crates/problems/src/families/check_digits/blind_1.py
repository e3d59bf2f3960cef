# rule: weights=3-2-1,from=right,modulus=10
def check_digit(s: str) -> int:
    weights = [3, 2, 1]
    total = sum(int(d) * weights[i % 3] for i, d in enumerate(reversed(s)))
    return total % 10
