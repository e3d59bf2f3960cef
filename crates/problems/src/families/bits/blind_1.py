# rule: width=16,move=right-1,operator=and,mask=0x6a95,result=ones
def change_bits(numbers: list[int]) -> list[int]:
    result = []
    for n in numbers:
        n = (n >> 1) | ((n & 1) << 15)
        n &= 0x6A95
        result.append(bin(n).count("1"))
    return result
