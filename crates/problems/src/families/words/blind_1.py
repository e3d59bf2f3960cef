# rule: taken=odd,order=sorted,change=first-capital,joint=hyphen
def change_words(s: str) -> str:
    words = sorted(s.split()[::2])
    return '-'.join(w[:1].upper() + w[1:] for w in words)
