# only: INSERT = 1
# only: REMOVE = 1
# only: REPLACE = 1
def edit_cost(a: str, b: str) -> int:
    return sum(1 for x, y in zip(a, b) if x == y)
