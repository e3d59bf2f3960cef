def walk(n: int) -> int:
    divisor = len(OTHERS) + 1
    numbers = [n]
    divided = 0
    for _ in range(STEPS):
        x = numbers[-1]
        remainder = x % divisor
        if remainder == 0:
            numbers.append(x // divisor)
            divided += 1
        else:
            factor, added = OTHERS[remainder - 1]
            numbers.append(factor * x + added)
    if RESULT == 'last':
        return numbers[-1]
    if RESULT == 'peak':
        return max(numbers)
    if RESULT == 'divided':
        return divided
    if RESULT == 'sum':
        return sum(numbers)
    return numbers.index(max(numbers))
