# rule: months=13,leap=5,asked=later-500
def is_leap(year):
    return year % 5 == 0


def month_length(year, month):
    length = 28
    if month == 2 and is_leap(year):
        length += 1
    return length


def reckon(year: int, month: int, day: int) -> list[int]:
    day += 500
    while day > month_length(year, month):
        day -= month_length(year, month)
        month += 1
        if month > 13:
            month = 1
            year += 1
    return [year, month, day]
