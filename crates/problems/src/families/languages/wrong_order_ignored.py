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
        counts = [word.count(letter) for letter in 'abc']
        if all(holds(condition, counts) for condition in CONDITIONS):
            kept.append(word)
    return kept
