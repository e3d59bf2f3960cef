# rule: base=9,order=reversed,group=4
def to_base(n: int) -> str:
    digits = ''
    while n > 0:
        n, d = divmod(n, 9)
        digits = str(d) + digits
    groups = []
    while digits:
        groups.insert(0, digits[-4:])
        digits = digits[:-4]
    return '_'.join(groups)[::-1]
