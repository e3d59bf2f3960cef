def change_letters(s: str) -> str:
    return s
