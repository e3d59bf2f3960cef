# rule: step=4,first=2,change=next,from=end
def change_letters(s: str) -> str:
    letters = list(s)
    for i in range(len(s) - 2, -1, -4):
        c = letters[i]
        if 'a' <= c <= 'z':
            letters[i] = 'a' if c == 'z' else chr(ord(c) + 1)
        elif 'A' <= c <= 'Z':
            letters[i] = 'A' if c == 'Z' else chr(ord(c) + 1)
    return ''.join(letters)
