# rule: width=8,move=gray,result=ones
def change_bits(numbers: list[int]) -> list[int]:
    result = []
    for n in numbers:
        n ^= n >> 1
        result.append(bin(n).count("1"))
    return result
