# rule: lengths=5-6,colours=2,apart=both
from functools import cache


def tilings(strips: list[int]) -> list[int]:
    tiles = [(length, colour) for length in (5, 6) for colour in range(2)]

    @cache
    def ways(n, last):
        if n == 0:
            return 1
        return sum(ways(n - t[0], t) for t in tiles if t[0] <= n and t != last)

    return [ways(n, None) for n in strips]
