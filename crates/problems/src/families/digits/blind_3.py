# rule: digits=even,power=3,sign=last,modulus=11
def sum_digits(n: int) -> int:
    digits = [int(d) for d in reversed(str(abs(n))) if d in '02468']
    total = 0
    for i, d in enumerate(digits):
        total += d ** 3 if i % 2 == 0 else -d ** 3
    return total % 11
