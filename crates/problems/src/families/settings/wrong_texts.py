def read(s):
    found = {}
    for item in s.split(SEPARATOR):
        key, _, value = item.partition(SIGN)
        found[key] = value
    return found
