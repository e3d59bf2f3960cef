# only: LEAST = 1
# only: BACKWARDS = False
from itertools import groupby


def encode_runs(s: str) -> str:
    runs = [(c, len(list(group))) for c, group in groupby(s)][:-1]
    return BETWEEN.join(WRITTEN.format(n=n, c=c, C=c.upper()) for c, n in runs)
