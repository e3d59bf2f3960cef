def count_letters(s: str) -> int:
    if ANY_CASE:
        s = s.lower()
    if COUNT == 'all':
        return sum(1 for c in s if c in LETTERS)
    if COUNT == 'distinct':
        return len(set(s) & set(LETTERS))
    if COUNT == 'others':
        return sum(1 for c in s if c != ' ' and c not in LETTERS)
    groups = 0
    before = ' '
    for c in s:
        if c in LETTERS and before not in LETTERS:
            groups += 1
        before = c
    return groups
