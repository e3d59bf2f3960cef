# rule: alphabet=ten,shift=2
def encode(s: str) -> str:
    result = []
    for c in s:
        if 'a' <= c <= 'j':
            c = chr((ord(c) - 97 + 2) % 10 + 97)
        result.append(c)
    return ''.join(result)
