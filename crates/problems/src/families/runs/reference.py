from itertools import groupby


def encode_runs(s: str) -> str:
    runs = []
    for letter, group in groupby(s):
        count = len(list(group))
        if count < LEAST:
            runs.append(letter * count)
        else:
            runs.append(WRITTEN.format(n=count, c=letter, C=letter.upper()))
    if BACKWARDS:
        runs.reverse()
    return BETWEEN.join(runs)
