def evaluate(expression: str) -> int:
    tokens = expression.split()
    numbers = [int(token) for token in tokens[::2]]
    ops = tokens[1::2]
    for level in LEVELS:
        while True:
            places = [i for i, op in enumerate(ops) if op in level]
            if not places:
                break
            i = places[-1] if TIES == 'right' else places[0]
            op, a, b = ops.pop(i), numbers[i], numbers.pop(i + 1)
            if op == '+':
                numbers[i] = a + b
            elif op == '-':
                numbers[i] = a - b
            elif op == '*':
                numbers[i] = a * b
            elif op == '//':
                numbers[i] = a // b
            else:
                numbers[i] = OWN[0] * a + OWN[1] * b
    return numbers[0]
