# rule: letters=bdl,count=groups,case=any
def count_letters(s: str) -> int:
    count = 0
    inside = False
    for c in s.lower():
        wanted = c in 'bdl'
        if wanted and not inside:
            count += 1
        inside = wanted
    return count
