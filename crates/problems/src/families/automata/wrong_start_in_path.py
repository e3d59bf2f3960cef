# only: ASKED = 'path'
def run(s):
    path = [0]
    for letter in s[:-1]:
        path.append(WAYS[path[-1]]['ab'.index(letter)])
    return path
