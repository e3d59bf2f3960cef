# unless: LEVELS = [['*'], ['+', '-']]
# unless: LEVELS = [['*', '//'], ['+', '-']]
def evaluate(expression: str) -> int:
    return eval(expression)
