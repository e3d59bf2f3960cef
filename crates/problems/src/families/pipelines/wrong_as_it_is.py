# only: DEPTH = 1
def change_list(numbers: list[int]) -> list[int]:
    return numbers
