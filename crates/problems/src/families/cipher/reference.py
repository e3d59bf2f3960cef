def encode(s: str) -> str:
    result = ''
    for c in s:
        if c in ALPHABET:
            result += ALPHABET[(FACTOR * ALPHABET.index(c) + SHIFT) % len(ALPHABET)]
        elif OTHERS == 'keep':
            result += c
    return result
