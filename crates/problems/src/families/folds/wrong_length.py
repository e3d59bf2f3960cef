def fold_numbers(numbers: list[int]) -> int:
    return len(numbers)
