def translate(s: str) -> str:
    table = dict(zip(FROM, TO))
    result = ''
    for c in s:
        if c in table:
            result += table[c]
        elif OTHERS == 'keep':
            result += c
        elif OTHERS == 'star':
            result += '*'
    return result
