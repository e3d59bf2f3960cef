# rule: first=1000,second=1001,order=second
def evaluate(expression: str) -> str:
    tables = {"@": "1000", "#": "1001"}
    tokens = expression.split()
    for op in "#@":
        rest = tokens[:1]
        for sign, word in zip(tokens[1::2], tokens[2::2]):
            if sign == op:
                left = rest.pop()
                rest.append("".join(tables[op][int(x + y, 2)] for x, y in zip(left, word)))
            else:
                rest += [sign, word]
        tokens = rest
    return tokens[0]
