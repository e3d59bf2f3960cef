def schedule(tasks):
    ready = {}
    time = 0
    starts = []
    line = ''
    for task in tasks:
        start = max(time, ready.get(task, 0))
        if LEFT_OUT and start > time:
            continue
        line += '.' * (start - time) + task * DURATION
        starts.append(start)
        time = start + DURATION
        ready[task] = time + ((PAUSE + 1) * VOWELS if task in 'ae' else PAUSE + 1)
    return {'end': time, 'starts': starts, 'line': line, 'waiting': line.count('.')}[ASKED]
