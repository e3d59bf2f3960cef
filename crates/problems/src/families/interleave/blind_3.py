# rule: pattern=BBAB,rest=stop
def interleave(a: str, b: str) -> str:
    result = []
    i = j = k = 0
    pattern = 'BBAB'
    while True:
        if pattern[k % len(pattern)] == 'A':
            if i == len(a):
                break
            result.append(a[i])
            i += 1
        else:
            if j == len(b):
                break
            result.append(b[j])
            j += 1
        k += 1
    return ''.join(result)
