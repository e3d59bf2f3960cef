def fold_windows(numbers):
    return numbers if RESULT == 'list' else sum(numbers)
