# unless: AGAIN = 'last'
# unless: AGAIN = 'list'
def read(s):
    found = {}
    for item in s.split(SEPARATOR):
        key, sign, value = item.partition(SIGN)
        if sign or BARE == 'zero':
            found[key] = int(value) if sign else 0
    return found
