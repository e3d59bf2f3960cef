# rule: notation=prefix,operators=own,2,3
def evaluate_rpn(expression: str) -> int:
    stack = []
    for token in reversed(expression.split()):
        if token in ('+', '-', '*', '@'):
            x = stack.pop()
            y = stack.pop()
            if token == '+':
                stack.append(x + y)
            elif token == '-':
                stack.append(x - y)
            elif token == '*':
                stack.append(x * y)
            else:
                stack.append(2 * x + 3 * y)
        else:
            stack.append(int(token))
    return stack.pop()
