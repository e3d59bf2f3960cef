# rule: taken=5-6-9,asked=moves
def play(piles: list[int]) -> list[int]:
    takes = [5, 6, 9]
    counts = []
    for n in range(max(piles, default=0) + 1):
        counts.append(sum(1 for t in takes if t <= n and counts[n - t] == 0))
    return [counts[p] for p in piles]
