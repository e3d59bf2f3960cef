# rule: way=read,system=threes,symbols=letters,style=counted
import re


def read_numeral(s: str) -> int:
    values = {symbol: 3 ** i for i, symbol in enumerate("abcdefgh")}
    return sum(int(count) * values[symbol] for count, symbol in re.findall(r"(\d+)([a-h])", s))
