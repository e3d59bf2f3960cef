TABLES = {'@': FIRST, '#': SECOND}


def evaluate(expression: str) -> str:
    tokens = expression.split()
    words, operators = tokens[::2], tokens[1::2]
    while operators:
        place = 0
        if ORDER == 'right':
            place = len(operators) - 1
        elif ORDER == 'first' and '@' in operators:
            place = operators.index('@')
        elif ORDER == 'second' and '#' in operators:
            place = operators.index('#')
        table = TABLES[operators.pop(place)]
        left, right = words[place], words.pop(place + 1)
        words[place] = ''.join(table[2 * int(a) + int(b)] for a, b in zip(left, right))
    return words[0]
