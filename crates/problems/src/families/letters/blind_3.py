# rule: letters=lst,case=any
def count_letters(s: str) -> int:
    return sum(c in 'lst' for c in s.lower())
