def pay(amounts):
    if ASKED == 'fewest':
        return [amount // COINS[0] for amount in amounts]
    return [sum(1 for coin in COINS if amount % coin == 0) for amount in amounts]
