# rule: taken=1-6-7,asked=move
def play(piles: list[int]) -> list[int]:
    takes = [1, 6, 7]
    best = []
    for n in range(max(piles, default=0) + 1):
        good = [t for t in takes if t <= n and best[n - t] == 0]
        best.append(min(good, default=0))
    return [best[p] for p in piles]
