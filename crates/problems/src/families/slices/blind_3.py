# rule: move=swap,start=2,length=2,other=5:6
def move_parts(s: str) -> str:
    return s[:2] + s[5:6] + s[4:5] + s[2:4] + s[6:]
