# rule: notation=postfix,operands=swapped
def evaluate_rpn(expression: str) -> int:
    stack = []
    for token in expression.split():
        if token in ('+', '-', '*'):
            y = stack.pop()
            x = stack.pop()
            if token == '+':
                stack.append(x + y)
            elif token == '-':
                stack.append(y - x)
            else:
                stack.append(x * y)
        else:
            stack.append(int(token))
    return stack.pop()
