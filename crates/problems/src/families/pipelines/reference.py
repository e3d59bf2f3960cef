from itertools import accumulate

STEPS = {
    'none': lambda items: items,
    'reverse': lambda items: items[::-1],
    'sort': sorted,
    'sort-down': lambda items: sorted(items, reverse=True),
    'drop-1': lambda items: items[1:],
    'drop-2': lambda items: items[2:],
    'drop-last': lambda items: items[:-1],
    'take-3': lambda items: items[:3],
    'last-3': lambda items: items[-3:],
    'left-1': lambda items: items[1:] + items[:1],
    'left-2': lambda items: items[2:] + items[:2],
    'right-1': lambda items: items[-1:] + items[:-1],
    'dedupe': lambda items: list(dict.fromkeys(items)),
    'every-2': lambda items: items[::2],
    'even': lambda items: [x for x in items if x % 2 == 0],
    'odd': lambda items: [x for x in items if x % 2 == 1],
    'double': lambda items: [2 * x for x in items],
    'plus-place': lambda items: [i + x for i, x in enumerate(items)],
    'sums': lambda items: list(accumulate(items)),
    'differences': lambda items: [b - a for a, b in zip(items, items[1:])],
    'mirror': lambda items: items + items[::-1],
}


def change_list(numbers: list[int]) -> list[int]:
    for step in (FIRST, SECOND, THIRD):
        numbers = STEPS[step](numbers)
    return numbers
