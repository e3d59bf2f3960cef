# rule: insert=3,remove=3,replace=4,vowels=cheap,exchange=yes
def replace_cost(x, y):
    if x == y:
        return 0
    if x in "aeiou" and y in "aeiou":
        return 1
    return 4


def edit_cost(a: str, b: str) -> int:
    cost = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        cost[i][0] = 3 * i
    for j in range(1, len(b) + 1):
        cost[0][j] = 3 * j
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost[i][j] = min(
                cost[i - 1][j] + 3,
                cost[i][j - 1] + 3,
                cost[i - 1][j - 1] + replace_cost(a[i - 1], b[j - 1]),
            )
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                cost[i][j] = min(cost[i][j], cost[i - 2][j - 2] + 1)
    return cost[-1][-1]
