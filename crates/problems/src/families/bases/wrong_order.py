def to_base(n: int) -> str:
    written = ''
    while n:
        written += DIGITS[n % BASE]
        n //= BASE
    return written if ORDER == 'usual' else written[::-1]
