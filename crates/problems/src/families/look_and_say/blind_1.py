# rule: first=digit,cap=2
def look_and_say(s: str) -> str:
    out = []
    i = 0
    while i < len(s):
        j = i
        while j < len(s) and s[j] == s[i] and j - i < 2:
            j += 1
        out.append(s[i] + str(j - i))
        i = j
    return "".join(out)
