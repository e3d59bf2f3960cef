# rule: insert=4,remove=4,replace=5
def edit_cost(a: str, b: str) -> int:
    cost = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        cost[i][0] = 4 * i
    for j in range(1, len(b) + 1):
        cost[0][j] = 4 * j
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost[i][j] = min(
                cost[i - 1][j] + 4,
                cost[i][j - 1] + 4,
                cost[i - 1][j - 1] + (0 if a[i - 1] == b[j - 1] else 5),
            )
    return cost[-1][-1]
