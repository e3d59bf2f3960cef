# only: RESULT = 'peak'
def walk(n: int) -> int:
    return STEPS
