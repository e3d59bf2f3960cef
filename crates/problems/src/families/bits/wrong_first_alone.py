def change_bits(numbers):
    n = numbers[0]
    if OPERATOR == 'and':
        n &= MASK
    if OPERATOR == 'or':
        n |= MASK
    if OPERATOR == 'xor':
        n ^= MASK
    return [n]
