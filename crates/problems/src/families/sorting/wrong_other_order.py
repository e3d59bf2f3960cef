# only: KEY = 'remainder'
# only: TIES = 'stay'
def sort_numbers(numbers: list[int]) -> list[int]:
    result = sorted(numbers, key=lambda x: x % OF if DESCENDING else -(x % OF))
    return result if TAKEN == 'all' else result[:3]
