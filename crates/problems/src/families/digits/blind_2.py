# rule: digits=all,power=3,sign=first,modulus=7
def sum_digits(n: int) -> int:
    total = 0
    for i, d in enumerate(str(abs(n))):
        cube = int(d) ** 3
        total += cube if i % 2 == 0 else -cube
    return total % 7
