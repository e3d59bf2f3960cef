# rule: states=3,machine=36,asked=path
def run(s: str) -> list[int]:
    table = [(2, 1), (0, 2), (2, 1)]
    state = 0
    path = []
    for letter in s:
        state = table[state]["ab".index(letter)]
        path.append(state)
    return path
