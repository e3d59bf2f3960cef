# only: WAY = 'write'
def write_numeral(n: int) -> str:
    return ''.join(symbol for value, symbol in zip(VALUES, SYMBOLS) if value <= n)
