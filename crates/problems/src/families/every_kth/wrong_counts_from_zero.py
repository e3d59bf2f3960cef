# only: CHANGE = 'upper'
# only: FROM = 'start'
def change_letters(s: str) -> str:
    return ''.join(c.upper() if i % STEP == FIRST % STEP else c for i, c in enumerate(s))
