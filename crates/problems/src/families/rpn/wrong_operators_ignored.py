def evaluate_rpn(expression: str) -> int:
    return sum(int(token) for token in expression.split() if token.isdigit())
