def encode_runs(s: str) -> str:
    letters = sorted(set(s))
    return BETWEEN.join(WRITTEN.format(n=s.count(c), c=c, C=c.upper()) for c in letters)
