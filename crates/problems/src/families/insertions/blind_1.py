# rule: place=between,size=3,inserted=ten
def insert_text(s: str) -> str:
    return '10'.join(s[i:i + 3] for i in range(0, len(s), 3))
