# unless: MISS = 0
def score(frames):
    rolls = [roll for frame in frames for roll in frame]
    scores = []
    place = 0
    for frame in frames:
        place += len(frame)
        bonus = 0
        if sum(frame) == PINS:
            bonus = STRIKE if len(frame) == 1 else SPARE
        scores.append(sum(frame) + sum(rolls[place:place + bonus]))
    if ASKED == 'total':
        return sum(scores)
    if ASKED == 'running':
        return [sum(scores[:i + 1]) for i in range(len(scores))]
    return scores
