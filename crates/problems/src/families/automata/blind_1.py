# rule: states=5,machine=7,asked=visits
def run(s: str) -> int:
    table = [(1, 2), (0, 3), (3, 4), (2, 3), (3, 2)]
    state = 0
    count = 0
    for letter in s:
        state = table[state]["ab".index(letter)]
        if state == 4:
            count += 1
    return count
