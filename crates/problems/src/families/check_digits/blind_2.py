# rule: weights=7-3-1,modulus=17,result=missing
def check_digit(s: str) -> int:
    weights = [7, 3, 1]
    total = sum(int(d) * weights[i % 3] for i, d in enumerate(s))
    return -total % 17
