# rule: letters=bfhilor,by=same
def translate(s: str) -> str:
    return s.translate(str.maketrans('bfhilor', 'rbfhilo'))
