# rule: first=plus-place,second=double
def change_list(numbers: list[int]) -> list[int]:
    return [(x + i) * 2 for i, x in enumerate(numbers)]
