# only: WANTED = 'last'
def find_pattern(s: str) -> int:
    for i in range(len(s) - LENGTH + 1):
        if all(p in ('?', c) for p, c in zip(PATTERN, s[i:i + LENGTH])):
            return i
    return -1
