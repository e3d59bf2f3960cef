def evaluate(coefficients: list[int]) -> int:
    if ORDER == 'highest':
        coefficients = coefficients[::-1]
    total = sum(c * X * power for power, c in enumerate(coefficients))
    return total % M if M else total
