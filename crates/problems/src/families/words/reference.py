KEYS = {'sorted': lambda word: word, 'by-length': len, 'by-last': lambda word: word[-1]}
CHANGES = {
    'none': lambda word: word,
    'reverse': lambda word: word[::-1],
    'first-capital': lambda word: word[0].upper() + word[1:],
    'capitals': lambda word: word.upper(),
    'cut-first': lambda word: word[1:],
    'double-last': lambda word: word + word[-1],
    'to-end': lambda word: word[1:] + word[0],
}


def change_words(s: str) -> str:
    words = s.split(' ')
    if TAKEN == 'odd':
        words = words[::2]
    elif TAKEN == 'not-first':
        words = words[1:]
    if ORDER == 'backwards':
        words.reverse()
    elif ORDER in KEYS:
        words.sort(key=KEYS[ORDER])
    return JOINT.join(CHANGES[CHANGE](word) for word in words)
