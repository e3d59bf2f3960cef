# rule: fold=min,kept=threes,change=half
def fold_numbers(numbers: list[int]) -> int:
    return min((x // 2 for x in numbers if x % 3 == 0), default=0)
