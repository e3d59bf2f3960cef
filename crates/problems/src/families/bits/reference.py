ALL = (1 << WIDTH) - 1


def move(n):
    if MOVE.startswith('left') or MOVE.startswith('right'):
        way, places = MOVE.split('-')
        places = int(places) if way == 'left' else WIDTH - int(places)
        return (n << places | n >> (WIDTH - places)) & ALL
    if MOVE == 'gray':
        return n ^ (n >> 1)
    if MOVE == 'ungray':
        out = 0
        while n:
            out ^= n
            n >>= 1
        return out
    if MOVE == 'reverse':
        return int(format(n, 'b').zfill(WIDTH)[::-1], 2)
    return n


def mask(n):
    if OPERATOR == 'and':
        return n & MASK
    if OPERATOR == 'or':
        return n | MASK
    if OPERATOR == 'xor':
        return n ^ MASK
    return n


def change_bits(numbers):
    changed = [move(mask(n)) if FIRST == 'mask' else mask(move(n)) for n in numbers]
    return [bin(n).count('1') for n in changed] if RESULT == 'ones' else changed
