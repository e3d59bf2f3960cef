# unless: KINDS = ['()']
# unless: KINDS = ['[]']
# unless: KINDS = ['{}']
# unless: KINDS = ['<>']
# only: DEEPEST = 0
def is_balanced(s: str) -> bool:
    depth = 0
    for c in s:
        if c in [kind[0] for kind in KINDS]:
            depth += 1
        elif c in [kind[1] for kind in KINDS]:
            depth -= 1
        if depth < 0:
            return False
    return depth == 0
