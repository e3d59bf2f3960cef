# unless: STEPS = 1
def groups(s):
    found = []
    for c in s:
        if found and found[-1][0] == c and len(found[-1]) != CAP:
            found[-1] += c
        else:
            found.append(c)
    return found


def look_and_say(s: str) -> str:
    for _ in range(1):
        said = ''
        for group in groups(s[::-1] if START == 'right' else s):
            length = str(len(group) - 1 if LENGTHS == 'less-one' else len(group))
            if LENGTHS == 'left-out' and len(group) == 1:
                length = ''
            said += group[0] + length if FIRST == 'digit' else length + group[0]
        s = said
    return s
