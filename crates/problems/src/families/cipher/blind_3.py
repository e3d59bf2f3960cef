# rule: factor=9,shift=10,others=drop
def encode(s: str) -> str:
    result = []
    for c in s:
        if 'a' <= c <= 'z':
            result.append(chr((9 * (ord(c) - 97) + 10) % 26 + 97))
    return ''.join(result)
