def check_digit(s: str) -> int:
    digits = [int(c) for c in s]
    if DIRECTION == 'right':
        digits.reverse()
    total = 0
    for place, digit in enumerate(digits):
        weight = WEIGHTS[place % len(WEIGHTS)] if WEIGHTS else place + 1
        product = digit * weight
        if PRODUCTS == 'digits':
            product = product // 10 + product % 10
        total += product
    return -total % M if RESULT == 'remainder' else total % M
