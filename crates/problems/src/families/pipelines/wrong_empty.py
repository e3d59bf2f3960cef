def change_list(numbers: list[int]) -> list[int]:
    return []
