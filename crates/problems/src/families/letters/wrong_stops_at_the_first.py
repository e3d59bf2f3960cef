# only: COUNT = 'all'
def count_letters(s: str) -> int:
    for c in s:
        if c in LETTERS:
            return 1
    return 0
