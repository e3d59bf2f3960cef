# only: ASKED = 'before'
def reckon(year, month, day):
    return (year - 1) * 365 + (month - 1) * 30 + day - 1
