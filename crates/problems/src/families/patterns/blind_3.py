# rule: pattern=cb,wanted=last
def find_pattern(s: str) -> int:
    return s.rfind('cb')
