# rule: first=digit,cap=3,steps=2
def look_and_say(s: str) -> str:
    for _ in range(2):
        out = []
        i = 0
        while i < len(s):
            j = i
            while j < len(s) and s[j] == s[i] and j - i < 3:
                j += 1
            out.append(s[i] + str(j - i))
            i = j
        s = "".join(out)
    return s
