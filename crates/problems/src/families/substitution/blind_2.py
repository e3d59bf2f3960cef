# rule: letters=cdfhkm,by=capitals
def translate(s: str) -> str:
    return s.translate(str.maketrans('cdfhkm', 'QZMBWR'))
