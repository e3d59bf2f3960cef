def move_parts(s: str) -> str:
    return s
