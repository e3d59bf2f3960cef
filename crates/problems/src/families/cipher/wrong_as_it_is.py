def encode(s: str) -> str:
    return s
