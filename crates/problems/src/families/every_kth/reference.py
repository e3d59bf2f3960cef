CHANGES = {
    'upper': str.upper,
    'drop': lambda c: '',
    'double': lambda c: c + c,
    'keep': lambda c: c,
    'star': lambda c: '*',
    'dash': lambda c: '-',
    'brackets': lambda c: '(' + c + ')',
    'next': lambda c: 'a' if c == 'z' else chr(ord(c) + 1),
}


def change_letters(s: str) -> str:
    result = ''
    for i, c in enumerate(s):
        place = len(s) - i if FROM == 'end' else i + 1
        if place % STEP == FIRST % STEP:
            result += CHANGES[CHANGE](c)
        elif CHANGE != 'keep':
            result += c
    return result
