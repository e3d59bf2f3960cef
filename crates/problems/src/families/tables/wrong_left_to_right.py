# unless: ORDER = 'left'
def evaluate(expression: str) -> str:
    tokens = expression.split()
    word = tokens[0]
    for i in range(1, len(tokens), 2):
        table = FIRST if tokens[i] == '@' else SECOND
        word = ''.join(table[2 * int(a) + int(b)] for a, b in zip(word, tokens[i + 1]))
    return word
