import math
from functools import reduce
from operator import mul, xor

FOLDS = {
    'sum': sum,
    'product': lambda window: reduce(mul, window),
    'max': max,
    'min': min,
    'gcd': lambda window: math.gcd(*window),
    'lcm': lambda window: math.lcm(*window),
    'xor': lambda window: reduce(xor, window),
    'spread': lambda window: max(window) - min(window),
    'drop': lambda window: window[0] - window[-1],
}
RESULTS = {
    'list': list,
    'total': sum,
    'largest': max,
    'smallest': min,
    'even': lambda values: sum(1 for value in values if value % 2 == 0),
}


def fold_windows(numbers):
    starts = range(0, len(numbers) - SIZE + 1, STEP)
    return RESULTS[RESULT]([FOLDS[FOLD](numbers[i:i + SIZE]) for i in starts])
