# only: WANTED = 'apart'
def find_pattern(s: str) -> int:
    count = 0
    for i in range(len(s) - LENGTH + 1):
        count += all(p in ('?', c) for p, c in zip(PATTERN, s[i:i + LENGTH]))
    return count
