# rule: taken=odd,order=by-last,change=double-last
def change_words(s: str) -> str:
    words = sorted(s.split()[::2], key=lambda w: w[-1])
    return ' '.join(w + w[-1] for w in words)
