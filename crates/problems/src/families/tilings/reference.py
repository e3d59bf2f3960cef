from functools import lru_cache


def may_meet(one, other):
    if other is None or APART == 'none':
        return True
    if APART == 'length':
        return one[0] != other[0]
    if APART == 'colour':
        return one[1] != other[1]
    return one != other


@lru_cache(None)
def ways(length, before):
    if length == 0:
        return 1
    tiles = [(size, colour) for size in LENGTHS if size <= length for colour in range(COLOURS)]
    return sum(ways(length - tile[0], tile) for tile in tiles if may_meet(tile, before))


def tilings(strips):
    return [ways(length, None) for length in strips]
