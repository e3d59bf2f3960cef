def interleave(a: str, b: str) -> str:
    return a + b
