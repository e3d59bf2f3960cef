def to_base(n: int) -> str:
    written = ''
    place = 0
    while n or not place:
        if GROUP and place and place % GROUP == 0:
            written += '_'
        written += DIGITS[n % BASE]
        n //= BASE
        place += 1
    return written[::-1] if ORDER == 'usual' else written
