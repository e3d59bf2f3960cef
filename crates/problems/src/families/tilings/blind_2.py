# rule: lengths=1-2-3,colours=2,apart=length
from functools import cache


def tilings(strips: list[int]) -> list[int]:
    @cache
    def ways(n, last):
        if n == 0:
            return 1
        return sum(2 * ways(n - t, t) for t in (1, 2, 3) if t <= n and t != last)

    return [ways(n, None) for n in strips]
