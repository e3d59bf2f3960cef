# unless: PLACE = 'equal'
# unless: LETTERS = 'a'
# unless: LETTERS = 'e'
# unless: LETTERS = 't'
def insert_text(s: str) -> str:
    return s
