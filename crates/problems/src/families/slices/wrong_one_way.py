# only: MOVE = 'swap'
# only: REVERSED = False
def move_parts(s: str) -> str:
    end = START + LENGTH
    return s[:START] + s[OTHER_START:OTHER_END] + s[end:]
