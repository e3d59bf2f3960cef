def schedule(tasks):
    step = DURATION + PAUSE
    starts = [i * step for i in range(len(tasks))]
    line = ('.' * PAUSE).join(task * DURATION for task in tasks)
    return {'end': len(line), 'starts': starts, 'line': line, 'waiting': line.count('.')}[ASKED]
