def tilings(strips):
    return [sum(COLOURS for size in LENGTHS if length % size == 0) + 2 for length in strips]
