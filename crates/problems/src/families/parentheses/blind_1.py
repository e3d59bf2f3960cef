# rule: kinds=[]{},deepest=3
def is_balanced(s: str) -> bool:
    pairs = {']': '[', '}': '{'}
    stack = []
    for c in s:
        if c in '[{':
            stack.append(c)
            if len(stack) > 3:
                return False
        elif c in pairs:
            if not stack or stack.pop() != pairs[c]:
                return False
    return not stack
