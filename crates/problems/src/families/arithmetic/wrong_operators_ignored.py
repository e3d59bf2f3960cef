def evaluate(expression: str) -> int:
    digits = ''.join(c if c.isdigit() else ' ' for c in expression)
    return sum(int(word) for word in digits.split())
