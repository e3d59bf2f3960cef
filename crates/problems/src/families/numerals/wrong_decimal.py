# only: WAY = 'write'
def write_numeral(n: int) -> str:
    return str(n)
