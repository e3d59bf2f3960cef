# only: WAY = 'read'
def read_numeral(s: str) -> int:
    return max(VALUES[SYMBOLS.index(c)] for c in s if c in SYMBOLS)
