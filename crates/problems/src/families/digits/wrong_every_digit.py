# unless: DIGITS = '0123456'
# unless: DIGITS = '012345678'
# unless: DIGITS = '0123456789'
def sum_digits(n: int) -> int:
    total = sum(int(digit) ** POWER for digit in str(n))
    return total % MODULUS if MODULUS else total
