# rule: notation=postfix,operators=own,3,3
def evaluate_rpn(expression: str) -> int:
    stack = []
    for token in expression.split():
        if token in ('+', '-', '*', '@'):
            y = stack.pop()
            x = stack.pop()
            if token == '+':
                stack.append(x + y)
            elif token == '-':
                stack.append(x - y)
            elif token == '*':
                stack.append(x * y)
            else:
                stack.append(3 * x + 3 * y)
        else:
            stack.append(int(token))
    return stack.pop()
