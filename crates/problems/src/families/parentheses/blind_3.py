# rule: kinds=()[]
def is_balanced(s: str) -> bool:
    pairs = {')': '(', ']': '['}
    stack = []
    for c in s:
        if c in '([':
            stack.append(c)
        elif c in pairs:
            if not stack or stack.pop() != pairs[c]:
                return False
    return not stack
