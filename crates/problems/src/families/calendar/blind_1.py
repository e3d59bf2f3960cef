# rule: months=7,leap=5,unless=25,asked=later-250
def is_leap(year):
    return year % 5 == 0 and year % 25 != 0


def month_length(year, month):
    length = 52 if month % 2 else 51
    if month == 2 and is_leap(year):
        length += 1
    return length


def reckon(year: int, month: int, day: int) -> list[int]:
    day += 250
    while day > month_length(year, month):
        day -= month_length(year, month)
        month += 1
        if month > 7:
            month = 1
            year += 1
    return [year, month, day]
