def is_balanced(s: str) -> bool:
    brackets = [c for c in s if c in ''.join(KINDS)]
    counts = all(s.count(kind[0]) == s.count(kind[1]) for kind in KINDS)
    return counts and brackets[0] in [k[0] for k in KINDS] and brackets[-1] in [k[1] for k in KINDS]
