# rule: strike=1,spare=1,miss=1
def score(frames: list[list[int]]) -> int:
    rolls = [pins for frame in frames for pins in frame]
    scores = []
    position = 0
    for frame in frames:
        position += len(frame)
        points = sum(frame)
        if frame == [10]:
            points += sum(rolls[position:position + 1])
        elif len(frame) == 2 and points == 10:
            points += sum(rolls[position:position + 1])
        points -= frame.count(0)
        scores.append(points)
    return sum(scores)
