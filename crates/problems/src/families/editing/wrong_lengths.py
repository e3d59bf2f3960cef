def edit_cost(a: str, b: str) -> int:
    return abs(len(a) - len(b))
