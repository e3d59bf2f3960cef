# rule: place=before-each,letters=a,inserted=ab
def insert_text(s: str) -> str:
    return s.replace('a', 'aba')
