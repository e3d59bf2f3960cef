# rule: months=12,leap=3,asked=before
def reckon(year: int, month: int, day: int) -> int:
    lengths = [31, 30] * 6
    days = (year - 1) * sum(lengths) + (year - 1) // 3
    days += sum(lengths[:month - 1])
    if month > 2 and year % 3 == 0:
        days += 1
    return days + day - 1
