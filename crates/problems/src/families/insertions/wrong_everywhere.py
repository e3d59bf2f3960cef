# unless: SIZE = 1
def insert_text(s: str) -> str:
    return INSERTED.join(s)
