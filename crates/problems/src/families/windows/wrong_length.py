def fold_windows(numbers):
    return [len(numbers)] if RESULT == 'list' else len(numbers) + 1
