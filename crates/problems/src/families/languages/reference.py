import re


def holds(condition, counts):
    *factors, relation = condition
    total = sum(factor * count for factor, count in zip(factors, counts))
    if relation == 'zero':
        return total == 0
    if relation == 'negative':
        return total < 0
    return total % relation == 0


def keep(words):
    kept = []
    for word in words:
        match = re.fullmatch('(a+)(b+)(c+)', word)
        counts = [len(group) for group in match.groups()] if match else None
        if counts and all(holds(condition, counts) for condition in CONDITIONS):
            kept.append(word)
    return kept
