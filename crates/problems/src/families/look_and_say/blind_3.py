# rule: first=digit,from=right,lengths=less-one,steps=3
from itertools import groupby


def look_and_say(s: str) -> str:
    for _ in range(3):
        s = "".join(d + str(len(list(g)) - 1) for d, g in groupby(reversed(s)))
    return s
