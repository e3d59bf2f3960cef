# only: FOLD = 'sum'
# only: CHANGE = 'none'
# unless: KEPT = 'all'
def fold_numbers(numbers: list[int]) -> int:
    return sum(numbers)
