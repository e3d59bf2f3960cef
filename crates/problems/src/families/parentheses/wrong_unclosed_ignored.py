def is_balanced(s: str) -> bool:
    closing = {kind[0]: kind[1] for kind in KINDS}
    stack = []
    for c in s:
        if c in closing:
            stack.append(closing[c])
        elif c in closing.values():
            if not stack or stack.pop() != c:
                return False
    return True
