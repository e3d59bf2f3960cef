# rule: n<k,n+m+k%2
import re


def keep(words: list[str]) -> list[str]:
    right = []
    for word in words:
        match = re.fullmatch(r"(a+)(b+)(c+)", word)
        if match:
            n, m, k = map(len, match.groups())
            if n < k and (n + m + k) % 2 == 0:
                right.append(word)
    return right
