# only: ASKED = 'ways'
# only: LIMIT = 0
def pay(amounts):
    ways = [1] + [0] * max(amounts)
    for amount in range(1, len(ways)):
        ways[amount] = sum(ways[amount - coin] for coin in COINS if coin <= amount)
    return [ways[amount] for amount in amounts]
