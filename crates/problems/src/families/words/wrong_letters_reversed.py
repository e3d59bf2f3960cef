# unless: CHANGE = 'reverse'
def change_words(s: str) -> str:
    return s[::-1]
