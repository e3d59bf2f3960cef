# only: ASKED = 'visited'
def walk(commands):
    return 2 + len(commands)
