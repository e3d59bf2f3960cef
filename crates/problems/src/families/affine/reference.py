def combine(x: int, y: int) -> int:
    return (A * x + B * y + C) % M
