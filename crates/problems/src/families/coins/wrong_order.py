# only: ASKED = 'orders'
# only: LIMIT = 0
def pay(amounts):
    ways = [1] + [0] * max(amounts)
    for coin in COINS:
        for amount in range(coin, len(ways)):
            ways[amount] += ways[amount - coin]
    return [ways[amount] for amount in amounts]
