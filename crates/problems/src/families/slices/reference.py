def moved(s):
    end = START + LENGTH
    before, part, after = s[:START], s[START:end], s[end:]
    rest = len(s) - LENGTH
    if MOVE == 'rotate-left':
        return after + part
    if MOVE == 'rotate-right':
        return s[rest:] + s[:rest]
    if MOVE == 'swap-ends':
        return s[rest:] + s[LENGTH:rest] + part
    if MOVE in ('reverse-first', 'reverse'):
        return before + part[::-1] + after
    if MOVE == 'reverse-last':
        return s[:rest] + s[rest:][::-1]
    if MOVE == 'remove':
        return before + after
    if MOVE == 'double':
        return before + part + part + after
    if MOVE == 'to-front':
        return part + before + after
    if MOVE == 'to-end':
        return before + after + part
    other = s[OTHER_START:OTHER_END]
    return before + other + s[end:OTHER_START] + part + s[OTHER_END:]


def move_parts(s: str) -> str:
    return moved(s)[::-1] if REVERSED else moved(s)
