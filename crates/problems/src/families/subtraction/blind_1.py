# rule: taken=1-6-7,last=loses,asked=move
def play(piles: list[int]) -> list[int]:
    takes = [1, 6, 7]
    wins = []
    best = []
    for n in range(max(piles, default=0) + 1):
        moves = [t for t in takes if t <= n]
        good = [t for t in moves if not wins[n - t]]
        wins.append(not moves or bool(good))
        best.append(min(good, default=0))
    return [best[p] for p in piles]
