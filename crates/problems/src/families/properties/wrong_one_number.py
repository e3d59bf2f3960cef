def find_numbers(low, high):
    middle = (low + high) // 2
    return [middle] if RESULT == 'list' else middle
