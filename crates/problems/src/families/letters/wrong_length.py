def count_letters(s: str) -> int:
    return len(s)
