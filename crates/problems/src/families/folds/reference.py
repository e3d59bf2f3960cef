FILTERS = {
    'all': lambda i, x: True,
    'even': lambda i, x: x % 2 == 0,
    'odd': lambda i, x: x % 2 == 1,
    'threes': lambda i, x: x % 3 == 0,
    'fours': lambda i, x: x % 4 == 0,
    'fives': lambda i, x: x % 5 == 0,
    'not-threes': lambda i, x: x % 3 != 0,
    'not-fours': lambda i, x: x % 4 != 0,
    'even-places': lambda i, x: i % 2 == 0,
    'odd-places': lambda i, x: i % 2 == 1,
    'positive': lambda i, x: x > 0,
    'negative': lambda i, x: x < 0,
    'above-9': lambda i, x: x > 9,
    'below-9': lambda i, x: x < 9,
    'inside': lambda i, x: -15 <= x <= 15,
    'outside': lambda i, x: x < -10 or x > 10,
}
CHANGES = {
    'none': lambda x: x,
    'double': lambda x: 2 * x,
    'square': lambda x: x * x,
    'plus-3': lambda x: x + 3,
    '10-minus': lambda x: 10 - x,
    '3x+1': lambda x: 3 * x + 1,
    'abs': abs,
    'half': lambda x: x // 2,
}
FOLDS = {
    'sum': sum,
    'count': len,
    'max': max,
    'min': min,
    'spread': lambda values: max(values) - min(values),
    'first': lambda values: values[0],
    'last': lambda values: values[-1],
    'signs': lambda values: sum(values[::2]) - sum(values[1::2]),
}


def fold_numbers(numbers: list[int]) -> int:
    kept = [x for i, x in enumerate(numbers) if FILTERS[KEPT](i, x)]
    values = [CHANGES[CHANGE](x) for x in kept]
    return FOLDS[FOLD](values) if values else 0
