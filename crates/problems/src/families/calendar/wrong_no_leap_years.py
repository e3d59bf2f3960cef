def reckon(year, month, day):
    lengths = [ODD if m % 2 == 1 else EVEN for m in range(1, MONTHS + 1)]
    if ASKED == 'later':
        day += COUNT
        while day > lengths[month - 1]:
            day -= lengths[month - 1]
            month += 1
            if month > MONTHS:
                year, month = year + 1, 1
        return [year, month, day]
    if ASKED == 'left':
        return sum(lengths[month - 1:]) - day
    before = (year - 1) * sum(lengths) + sum(lengths[:month - 1]) + day - 1
    return before if ASKED == 'before' else before % COUNT
