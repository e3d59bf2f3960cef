# rule: order=by-length,change=capitals
def change_words(s: str) -> str:
    words = sorted(s.split(), key=len)
    return ' '.join(w.upper() for w in words)
