# rule: move=rotate-right,length=3
def move_parts(s: str) -> str:
    return s[-3:] + s[:-3]
