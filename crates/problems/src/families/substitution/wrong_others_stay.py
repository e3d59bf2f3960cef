# unless: OTHERS = 'keep'
def translate(s: str) -> str:
    return s.translate(str.maketrans(FROM, TO))
