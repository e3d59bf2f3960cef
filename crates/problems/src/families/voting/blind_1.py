# rule: weights=1,1,0,0,twice=first,ties=opening
def count_votes(ballots: list[str]) -> str:
    points = dict.fromkeys("ABCD", 0)
    for ballot in ballots + ballots[:1]:
        for candidate, worth in zip(ballot, [1, 1, 0, 0]):
            points[candidate] += worth
    return min("ABCD", key=lambda c: (-points[c], ballots[0].index(c)))
