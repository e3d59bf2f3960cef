def translate(s: str) -> str:
    return s
