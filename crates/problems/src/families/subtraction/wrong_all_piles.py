# only: ASKED = 'won'
def play(piles):
    return [pile for pile in piles if pile >= min(TAKEN)]
