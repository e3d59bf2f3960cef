def sort_numbers(numbers: list[int]) -> list[int]:
    return numbers
