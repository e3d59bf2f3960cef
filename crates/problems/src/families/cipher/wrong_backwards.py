# only: FACTOR = 1
# only: OTHERS = 'keep'
# only: ALPHABET = 'abcdefghijklmnopqrstuvwxyz'
# unless: SHIFT = 13
def encode(s: str) -> str:
    place = ALPHABET.find
    return ''.join(ALPHABET[(place(c) - SHIFT) % 26] if c in ALPHABET else c for c in s)
