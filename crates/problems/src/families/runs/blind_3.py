# rule: form=count-times,least=3,between=plus,backwards=true
from itertools import groupby


def encode_runs(s: str) -> str:
    parts = []
    for c, group in groupby(s):
        n = len(list(group))
        parts.append(c * n if n < 3 else f'{n}*{c}')
    return '+'.join(reversed(parts))
