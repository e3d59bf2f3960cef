# unless: BASE = 10
def to_base(n: int) -> str:
    return str(n)
