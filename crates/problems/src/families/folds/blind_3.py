# rule: fold=min,kept=odd-places,change=double
def fold_numbers(numbers: list[int]) -> int:
    return min(2 * x for x in numbers[1::2])
