# rule: m%2,n+m%3
import re


def keep(words: list[str]) -> list[str]:
    right = []
    for word in words:
        match = re.fullmatch(r"(a+)(b+)(c+)", word)
        if match:
            n, m, k = map(len, match.groups())
            if m % 2 == 0 and (n + m) % 3 == 0:
                right.append(word)
    return right
