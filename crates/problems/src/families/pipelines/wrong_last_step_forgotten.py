# only: DEPTH = 2
# only: FIRST = 'sort'
def change_list(numbers: list[int]) -> list[int]:
    return sorted(numbers)
