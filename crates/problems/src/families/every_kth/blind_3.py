# rule: step=5,first=4,change=star,from=end
def change_letters(s: str) -> str:
    letters = list(s)
    for i in range(len(s) - 4, -1, -5):
        letters[i] = '*'
    return ''.join(letters)
