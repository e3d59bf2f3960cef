# rule: separator=bar,again=sum,bare=zero
def read(s: str) -> dict[str, int]:
    result = {}
    if not s:
        return result
    for item in s.split("|"):
        key, sign, value = item.partition("=")
        result[key] = result.get(key, 0) + (int(value) if sign else 0)
    return result
