# only: OTHERS = 'keep'
# unless: FACTOR = 1
# unless: SHIFT = 0
def encode(s: str) -> str:
    place = ALPHABET.find
    size = len(ALPHABET)
    return ''.join(ALPHABET[(place(c) + SHIFT) % size] if c in ALPHABET else c for c in s)
