def change_words(s: str) -> str:
    return s
