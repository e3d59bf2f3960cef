def play(piles):
    won = []
    for pile in range(max(piles) + 1):
        left = [pile - taken for taken in TAKEN if taken <= pile]
        won.append(any(not won[n] for n in left) if left else not STUCK_WINS)
    if ASKED == 'won':
        return [pile for pile in piles if won[pile]]
    answers = []
    for pile in piles:
        moves = [taken for taken in TAKEN if taken <= pile and not won[pile - taken]]
        answers.append(len(moves) if ASKED == 'moves' else min(moves, default=0))
    return answers
