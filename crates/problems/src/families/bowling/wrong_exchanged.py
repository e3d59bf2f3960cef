# unless: STRIKE = 0
# unless: STRIKE = 1
# unless: STRIKE = 2
def score(frames):
    rolls = [roll for frame in frames for roll in frame]
    scores = []
    place = 0
    for frame in frames:
        place += len(frame)
        bonus = 0
        if sum(frame) == PINS:
            bonus = SPARE if len(frame) == 1 else STRIKE
        scores.append(sum(frame) + sum(rolls[place:place + bonus]) - MISS * frame.count(0))
    if ASKED == 'total':
        return sum(scores)
    if ASKED == 'running':
        return [sum(scores[:i + 1]) for i in range(len(scores))]
    return scores
