# only: MOVE = 'rotate-left'
# only: REVERSED = False
def move_parts(s: str) -> str:
    return s[-LENGTH:] + s[:-LENGTH]
