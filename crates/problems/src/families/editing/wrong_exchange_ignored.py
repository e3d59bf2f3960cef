# only: EXCHANGE = True
def edit_cost(a: str, b: str) -> int:
    table = [[j * INSERT for j in range(len(b) + 1)]]
    for i, x in enumerate(a, 1):
        row = [i * REMOVE]
        for j, y in enumerate(b, 1):
            cost = VOWEL if x in 'aeiou' and y in 'aeiou' else REPLACE
            replaced = table[i - 1][j - 1] + (0 if x == y else cost)
            row.append(min(table[i - 1][j] + REMOVE, row[j - 1] + INSERT, replaced))
        table.append(row)
    return table[-1][-1]
