# unless: RESULT = 'divided'
# unless: RESULT = 'peak'
# unless: RESULT = 'peak-step'
def walk(n: int) -> int:
    divisor = len(OTHERS) + 1
    numbers = [n]
    for _ in range(STEPS):
        x = numbers[-1]
        remainder = int(x % divisor)
        if remainder == 0:
            numbers.append(x / divisor)
        else:
            factor, added = OTHERS[remainder - 1]
            numbers.append(factor * x + added)
    return numbers[-1] if RESULT == 'last' else sum(numbers)
