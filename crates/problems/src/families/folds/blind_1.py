# rule: fold=first,kept=above-9,change=double
def fold_numbers(numbers: list[int]) -> int:
    for x in numbers:
        if x > 9:
            return 2 * x
    return 0
