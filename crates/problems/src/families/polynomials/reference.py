def evaluate(coefficients: list[int]) -> int:
    if ORDER == 'highest':
        coefficients = coefficients[::-1]
    total = 0
    for power, coefficient in enumerate(coefficients):
        if PART == 'derivative':
            if power > 0:
                total += coefficient * power * X ** (power - 1)
        elif power > 0 or PART == 'value':
            total += coefficient * X ** power
    return total % M if M else total
