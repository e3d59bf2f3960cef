# only: MOVE = 'reverse'
def change_bits(numbers):
    changed = []
    for n in numbers:
        n = int(bin(n)[:1:-1], 2)
        if OPERATOR == 'and':
            n &= MASK
        if OPERATOR == 'or':
            n |= MASK
        if OPERATOR == 'xor':
            n ^= MASK
        changed.append(n)
    return changed
