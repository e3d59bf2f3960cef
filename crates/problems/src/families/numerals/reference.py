def write_numeral(n: int) -> str:
    parts = []
    for value, symbol in sorted(zip(VALUES, SYMBOLS), reverse=True):
        count = n // value
        n -= count * value
        if count > 0:
            parts.append(str(count) + symbol if STYLE == 'counted' else symbol * count)
    if ORDER == 'rising':
        parts.reverse()
    return ''.join(parts)


def read_numeral(s: str) -> int:
    total = 0
    count = ''
    for c in s:
        if STYLE == 'counted' and c.isdigit():
            count += c
        else:
            total += VALUES[SYMBOLS.index(c)] * int(count or '1')
            count = ''
    return total
