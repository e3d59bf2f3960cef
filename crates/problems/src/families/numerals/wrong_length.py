# only: WAY = 'read'
def read_numeral(s: str) -> int:
    return len(s)
