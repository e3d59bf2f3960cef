# rule: pins=9,strike=2,spare=2,miss=2,asked=running
from itertools import accumulate


def score(frames: list[list[int]]) -> list[int]:
    rolls = [pins for frame in frames for pins in frame]
    scores = []
    position = 0
    for frame in frames:
        position += len(frame)
        points = sum(frame)
        if frame == [9]:
            points += sum(rolls[position:position + 2])
        elif len(frame) == 2 and points == 9:
            points += sum(rolls[position:position + 2])
        points -= 2 * frame.count(0)
        scores.append(points)
    return list(accumulate(scores))
