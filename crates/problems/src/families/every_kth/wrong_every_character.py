# only: CHANGE = 'double'
def change_letters(s: str) -> str:
    return ''.join(c + c for c in s)
