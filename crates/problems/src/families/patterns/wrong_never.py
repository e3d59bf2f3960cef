def find_pattern(s: str) -> int:
    return -1
