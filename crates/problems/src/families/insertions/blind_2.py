# rule: place=after,size=5,inserted=hyphen
def insert_text(s: str) -> str:
    result = []
    for i, c in enumerate(s, 1):
        result.append(c)
        if i % 5 == 0:
            result.append('-')
    return ''.join(result)
