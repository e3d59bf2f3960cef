# rule: letters=eiprs,by=capitals,others=star
def translate(s: str) -> str:
    table = {'e': 'Z', 'i': 'M', 'p': 'B', 'r': 'W', 's': 'R'}
    return ''.join(table.get(c, '*') for c in s)
