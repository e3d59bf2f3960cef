def sum_digits(n: int) -> int:
    digits = [int(digit) ** POWER for digit in str(n) if digit in DIGITS]
    if SIGN == 'last':
        digits.reverse()
    if SIGN == 'plus':
        total = sum(digits)
    else:
        total = sum(digits[::2]) - sum(digits[1::2])
    return total % MODULUS if MODULUS else total
