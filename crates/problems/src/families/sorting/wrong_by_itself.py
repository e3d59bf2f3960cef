def sort_numbers(numbers: list[int]) -> list[int]:
    result = sorted(numbers, reverse=DESCENDING)
    return result if TAKEN == 'all' else result[:3]
