def read(s):
    found = {}
    for item in s.split(SEPARATOR):
        key, sign, value = item.partition(SIGN)
        if not sign and BARE == 'ignored':
            continue
        found.setdefault(key, []).append(int(value) if sign else 0)
    if AGAIN == 'list':
        return found
    take = {'last': lambda values: values[-1], 'first': lambda values: values[0],
            'sum': sum, 'largest': max}[AGAIN]
    return {key: take(values) for key, values in found.items()}
