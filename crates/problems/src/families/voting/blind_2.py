# rule: weights=5,3,1,0,asked=loser
def count_votes(ballots: list[str]) -> str:
    points = dict.fromkeys("ABCD", 0)
    for ballot in ballots:
        for candidate, worth in zip(ballot, [5, 3, 1, 0]):
            points[candidate] += worth
    return max("ABCD", key=lambda c: (-points[c], c))
