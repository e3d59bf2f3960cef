# unless: UNLESS = 0
def length(year, month):
    usual = ODD if month % 2 == 1 else EVEN
    return usual + (month == LONGER and year % LEAP == 0)


def reckon(year, month, day):
    if ASKED == 'later':
        day += COUNT
        while day > length(year, month):
            day -= length(year, month)
            month += 1
            if month > MONTHS:
                year, month = year + 1, 1
        return [year, month, day]
    if ASKED == 'left':
        return sum(length(year, m) for m in range(month, MONTHS + 1)) - day
    usual = sum(ODD if m % 2 == 1 else EVEN for m in range(1, MONTHS + 1))
    past = (year - 1) * usual + (year - 1) // LEAP
    before = past + sum(length(year, m) for m in range(1, month)) + day - 1
    return before if ASKED == 'before' else before % COUNT
