# rule: weights=3,2,1,0,twice=first,ties=backwards
def count_votes(ballots: list[str]) -> str:
    points = dict.fromkeys("ABCD", 0)
    for ballot in ballots + ballots[:1]:
        for candidate, worth in zip(ballot, [3, 2, 1, 0]):
            points[candidate] += worth
    return max("ABCD", key=lambda c: (points[c], c))
