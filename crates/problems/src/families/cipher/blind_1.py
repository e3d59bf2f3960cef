# rule: factor=3,shift=10
def encode(s: str) -> str:
    result = []
    for c in s:
        if 'a' <= c <= 'z':
            c = chr((3 * (ord(c) - 97) + 10) % 26 + 97)
        result.append(c)
    return ''.join(result)
