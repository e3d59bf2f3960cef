def check_digit(s: str) -> int:
    total = sum(int(c) for c in s)
    return -total % M if RESULT == 'missing' else total % M
