# only: FOLD = 'last'
# only: KEPT = 'all'
# unless: CHANGE = 'none'
def fold_numbers(numbers: list[int]) -> int:
    return numbers[-1]
