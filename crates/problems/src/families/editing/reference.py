def replacement(x, y):
    if x == y:
        return 0
    return VOWEL if x in 'aeiou' and y in 'aeiou' else REPLACE


def edit_cost(a: str, b: str) -> int:
    table = [[j * INSERT for j in range(len(b) + 1)]]
    for i, x in enumerate(a, 1):
        row = [i * REMOVE]
        for j, y in enumerate(b, 1):
            cost = min(
                table[i - 1][j] + REMOVE,
                row[j - 1] + INSERT,
                table[i - 1][j - 1] + replacement(x, y),
            )
            if EXCHANGE and i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, table[i - 2][j - 2] + 1)
            row.append(cost)
        table.append(row)
    return table[-1][-1]
