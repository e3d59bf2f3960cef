# rule: separator=space,sign=colon,again=first,bare=zero
def read(s: str) -> dict[str, int]:
    result = {}
    if not s:
        return result
    for item in s.split(" "):
        key, sign, value = item.partition(":")
        if key not in result:
            result[key] = int(value) if sign else 0
    return result
