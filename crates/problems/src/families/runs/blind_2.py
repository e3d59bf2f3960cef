# rule: form=count-letter,least=2,between=bar,backwards=true
from itertools import groupby


def encode_runs(s: str) -> str:
    parts = []
    for c, group in groupby(s):
        n = len(list(group))
        parts.append(c if n == 1 else f'{n}{c}')
    return '|'.join(reversed(parts))
