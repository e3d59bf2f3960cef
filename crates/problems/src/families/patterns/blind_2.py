# rule: pattern=acb,wanted=first
def find_pattern(s: str) -> int:
    return s.find('acb')
