# rule: base=16,digits=symbols,group=4
def to_base(n: int) -> str:
    digits = ''
    while n > 0:
        n, d = divmod(n, 16)
        digits = 'ozxvnmkjhgfdsaqw'[d] + digits
    groups = []
    while digits:
        groups.insert(0, digits[-4:])
        digits = digits[:-4]
    return '_'.join(groups)
