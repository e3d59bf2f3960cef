def is_gap(s, i):
    inside = 0 < i < len(s)
    if PLACE == 'after':
        return i > 0 and i % SIZE == 0
    if PLACE == 'between':
        return inside and i % SIZE == 0
    if PLACE == 'from-end':
        return inside and (len(s) - i) % SIZE == 0
    if PLACE == 'after-each':
        return i > 0 and s[i - 1] in LETTERS
    if PLACE == 'before-each':
        return i < len(s) and s[i] in LETTERS
    return inside and (s[i - 1] == s[i]) == (PLACE == 'equal')


def insert_text(s: str) -> str:
    result = ''
    for i in range(len(s) + 1):
        if is_gap(s, i):
            result += INSERTED
        result += s[i:i + 1]
    return result
