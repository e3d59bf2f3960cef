# only: OTHERS = 'drop'
def encode(s: str) -> str:
    place = ALPHABET.find
    size = len(ALPHABET)
    return ''.join(ALPHABET[(FACTOR * place(c) + SHIFT) % size] if c in ALPHABET else c for c in s)
