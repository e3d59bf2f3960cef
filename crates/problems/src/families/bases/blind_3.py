# rule: base=12,digits=capital
def to_base(n: int) -> str:
    digits = ''
    while n > 0:
        n, d = divmod(n, 12)
        digits = '0123456789AB'[d] + digits
    return digits
