# rule: first=1011,second=0001,order=first
def evaluate(expression: str) -> str:
    tables = {"@": "1011", "#": "0001"}
    tokens = expression.split()
    for op in "@#":
        rest = tokens[:1]
        for sign, word in zip(tokens[1::2], tokens[2::2]):
            if sign == op:
                left = rest.pop()
                rest.append("".join(tables[op][int(x + y, 2)] for x, y in zip(left, word)))
            else:
                rest += [sign, word]
        tokens = rest
    return tokens[0]
