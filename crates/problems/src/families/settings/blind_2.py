# rule: separator=space,sign=arrow,again=first,bare=ignored
def read(s: str) -> dict[str, int]:
    result = {}
    for item in s.split(" "):
        key, sign, value = item.partition("->")
        if sign and key not in result:
            result[key] = int(value)
    return result
