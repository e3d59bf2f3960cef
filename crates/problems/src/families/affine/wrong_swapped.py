def combine(x: int, y: int) -> int:
    return (B * x + A * y + C) % M
