# rule: order=@>*>+-,own=3,-2
def evaluate(expression: str) -> int:
    ops = {
        '+': lambda a, b: a + b,
        '-': lambda a, b: a - b,
        '*': lambda a, b: a * b,
        '@': lambda a, b: 3 * a - 2 * b,
    }
    items = expression.split()
    for level in ('@', '*', '+-'):
        i = 1
        while i < len(items):
            if items[i] in level:
                items[i - 1:i + 2] = [str(ops[items[i]](int(items[i - 1]), int(items[i + 1])))]
            else:
                i += 2
    return int(items[0])
