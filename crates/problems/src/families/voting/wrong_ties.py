def count_votes(ballots):
    points = dict.fromkeys('ABCD', 0)
    for number, ballot in enumerate(ballots):
        twice = {'none': -1, 'first': 0, 'last': len(ballots) - 1}[TWICE] == number
        for place, candidate in enumerate(ballot):
            points[candidate] += WEIGHTS[place] * (2 if twice else 1)
    equals = {'alphabet': 'DCBA', 'backwards': 'ABCD', 'opening': ballots[-1], 'closing': ballots[0]}
    order = sorted(equals[TIES], key=lambda candidate: -points[candidate])
    return {'winner': order[0], 'loser': order[-1], 'order': ''.join(order)}[ASKED]
