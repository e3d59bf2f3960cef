def interleave(a: str, b: str) -> str:
    if REVERSED:
        b = b[::-1]
    result = ''
    step = 0
    while True:
        letter = PATTERN[step % LENGTH]
        if letter == 'A' and a:
            result += a[0]
            a = a[1:]
        elif letter == 'B' and b:
            result += b[0]
            b = b[1:]
        else:
            return result + a + b if REST == 'append' else result
        step += 1
