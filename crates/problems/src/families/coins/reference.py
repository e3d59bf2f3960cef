from math import comb


def pay(amounts):
    largest = max(amounts)
    ways = {(0, 0): 1}
    for coin in COINS:
        after = {}
        for (amount, count), known in ways.items():
            used = 0
            while amount + used * coin <= largest and (LIMIT == 0 or used <= LIMIT):
                key = (amount + used * coin, count + used)
                orders = comb(count + used, used) if ASKED == 'orders' else 1
                after[key] = after.get(key, 0) + known * orders
                used += 1
        ways = after
    answers = []
    for wanted in amounts:
        found = {count: known for (amount, count), known in ways.items() if amount == wanted}
        if ASKED == 'fewest':
            answers.append(min(found, default=-1))
        else:
            answers.append(sum(found.values()))
    return answers
