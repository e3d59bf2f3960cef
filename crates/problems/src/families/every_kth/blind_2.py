# rule: step=2,first=1,change=star,from=end
def change_letters(s: str) -> str:
    letters = list(s)
    for i in range(len(s) - 1, -1, -2):
        letters[i] = '*'
    return ''.join(letters)
