def evaluate_rpn(expression: str) -> int:
    tokens = expression.split()
    if NOTATION == 'prefix':
        tokens.reverse()
    stack = []
    for token in tokens:
        if token not in ('+', '-', '*', '//', 'max', 'min', '@'):
            stack.append(int(token))
            continue
        top, below = stack.pop(), stack.pop()
        a, b = (below, top) if NOTATION == 'postfix' else (top, below)
        if OPERANDS == 'swapped':
            a, b = b, a
        if token == '+':
            stack.append(a + b)
        elif token == '-':
            stack.append(a - b)
        elif token == '*':
            stack.append(a * b)
        elif token == '//':
            stack.append(a // b)
        elif token == '@':
            stack.append(OWN[0] * a + OWN[1] * b)
        else:
            stack.append(max(a, b) if token == 'max' else min(a, b))
    return stack[0]
