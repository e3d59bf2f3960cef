def key(x):
    if KEY == 'remainder':
        return x % OF
    if KEY == 'distance':
        return abs(x - OF)
    if KEY == 'tens':
        return x // 10
    if KEY == 'ones':
        return bin(x).count('1')
    return sum(int(digit) for digit in str(x))


def sort_numbers(numbers: list[int]) -> list[int]:
    if TIES != 'stay':
        numbers = sorted(numbers, reverse=TIES == 'larger')
    result = sorted(numbers, key=lambda x: -key(x) if DESCENDING else key(x))
    return result if TAKEN == 'all' else result[:3]
