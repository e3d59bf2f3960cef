# rule: pattern=ac,wanted=last
def find_pattern(s: str) -> int:
    return s.rfind('ac')
