# rule: coins=2-4-9,asked=fewest
def pay(amounts: list[int]) -> list[int]:
    top = max(amounts, default=0)
    best = [0] + [-1] * top
    for total in range(1, top + 1):
        options = [best[total - c] + 1 for c in (2, 4, 9) if total >= c and best[total - c] >= 0]
        if options:
            best[total] = min(options)
    return [best[amount] for amount in amounts]
