# rule: letters=iod,count=groups
def count_letters(s: str) -> int:
    count = 0
    inside = False
    for c in s:
        wanted = c in 'iod'
        if wanted and not inside:
            count += 1
        inside = wanted
    return count
