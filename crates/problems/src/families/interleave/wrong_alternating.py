# unless: PATTERN = 'AB'
def interleave(a: str, b: str) -> str:
    return ''.join(x + y for x, y in zip(a, b))
