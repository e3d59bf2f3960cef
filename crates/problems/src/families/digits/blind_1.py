# rule: digits=not-9,power=2,modulus=13
def sum_digits(n: int) -> int:
    return sum(int(d) ** 2 for d in str(abs(n)) if d != '9') % 13
