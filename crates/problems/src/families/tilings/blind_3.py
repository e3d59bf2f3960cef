# rule: lengths=5-6,colours=2,apart=colour
from functools import cache


def tilings(strips: list[int]) -> list[int]:
    @cache
    def ways(n, last):
        if n == 0:
            return 1
        return sum(
            ways(n - length, colour)
            for length in (5, 6)
            for colour in range(2)
            if length <= n and colour != last
        )

    return [ways(n, None) for n in strips]
