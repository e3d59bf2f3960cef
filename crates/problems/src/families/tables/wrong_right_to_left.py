# only: ORDER = 'left'
def evaluate(expression: str) -> str:
    tokens = expression.split()
    word = tokens[-1]
    for i in range(len(tokens) - 2, 0, -2):
        table = FIRST if tokens[i] == '@' else SECOND
        word = ''.join(table[2 * int(a) + int(b)] for a, b in zip(tokens[i - 1], word))
    return word
