# rule: states=5,machine=108,asked=visits
def run(s: str) -> int:
    table = [(3, 4), (4, 0), (2, 4), (3, 2), (1, 3)]
    state = 0
    count = 0
    for letter in s:
        state = table[state]["ab".index(letter)]
        if state == 4:
            count += 1
    return count
