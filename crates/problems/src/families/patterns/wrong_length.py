def find_pattern(s: str) -> int:
    return len(s)
