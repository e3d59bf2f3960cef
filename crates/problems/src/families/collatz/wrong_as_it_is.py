# unless: RESULT = 'peak'
def walk(n: int) -> int:
    return n
