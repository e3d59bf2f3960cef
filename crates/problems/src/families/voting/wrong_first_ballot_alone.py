# only: ASKED = 'order'
def count_votes(ballots):
    return ballots[0]
