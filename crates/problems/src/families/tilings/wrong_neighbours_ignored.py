# unless: APART = 'none'
def tilings(strips):
    ways = [1]
    for length in range(1, max(strips) + 1):
        ways.append(sum(COLOURS * ways[length - size] for size in LENGTHS if size <= length))
    return [ways[length] for length in strips]
