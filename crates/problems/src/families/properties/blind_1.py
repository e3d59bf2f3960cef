# rule: property=different-digits,result=largest
def find_numbers(low: int, high: int) -> int:
    for n in range(high, low - 1, -1):
        digits = str(abs(n))
        if len(set(digits)) == len(digits):
            return n
    return -1
