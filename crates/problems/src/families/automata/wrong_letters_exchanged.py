def run(s):
    state = 0
    path = []
    for letter in s:
        state = WAYS[state]['ba'.index(letter)]
        path.append(state)
    if ASKED == 'end':
        return state
    if ASKED == 'visits':
        return path.count(STATES - 1)
    return path
