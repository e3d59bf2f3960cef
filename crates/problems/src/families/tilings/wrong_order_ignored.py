# only: COLOURS = 1
# only: APART = 'none'
def tilings(strips):
    ways = [1] + [0] * max(strips)
    for size in LENGTHS:
        for length in range(size, len(ways)):
            ways[length] += ways[length - size]
    return [ways[length] for length in strips]
