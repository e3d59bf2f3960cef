# only: OTHERS = 'keep'
def translate(s: str) -> str:
    return s.replace(FROM[0], TO[0])
