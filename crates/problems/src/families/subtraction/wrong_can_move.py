# unless: ASKED = 'won'
def play(piles):
    answers = []
    for pile in piles:
        moves = [taken for taken in TAKEN if taken <= pile]
        answers.append(len(moves) if ASKED == 'moves' else min(moves, default=0))
    return answers
