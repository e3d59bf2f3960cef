def find_numbers(low, high):
    found = list(range(low, high + 1))
    if RESULT == 'count':
        return len(found)
    if RESULT == 'sum':
        return sum(found)
    if RESULT == 'list':
        return found
    if RESULT == 'smallest':
        return low
    if RESULT == 'largest':
        return high
    return low + 1
