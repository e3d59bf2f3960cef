# only: PLACE = 'before-each'
# unless: LETTERS = 'a'
# unless: LETTERS = 'e'
# unless: LETTERS = 't'
def insert_text(s: str) -> str:
    return ''.join(c + INSERTED if c in LETTERS else c for c in s)
