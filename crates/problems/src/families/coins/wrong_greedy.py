# only: ASKED = 'fewest'
def pay(amounts):
    answers = []
    for amount in amounts:
        count = 0
        for coin in sorted(COINS, reverse=True):
            count += amount // coin
            amount %= coin
        answers.append(count if amount == 0 else -1)
    return answers
