def find_pattern(s: str) -> int:
    places = []
    for i in range(len(s) - LENGTH + 1):
        if all(p == '?' or p == c for p, c in zip(PATTERN, s[i:i + LENGTH])):
            places.append(i)
    if WANTED == 'overlapping':
        return len(places)
    if WANTED == 'first':
        return places[0] if places else -1
    if WANTED == 'last':
        return places[-1] if places else -1
    count = end = 0
    for place in places:
        if place >= end:
            count += 1
            end = place + LENGTH
    return count
