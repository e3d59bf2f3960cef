# rule: width=16,operator=xor,mask=0x3737,result=ones
def change_bits(numbers: list[int]) -> list[int]:
    result = []
    for n in numbers:
        n ^= 0x3737
        result.append(bin(n).count("1"))
    return result
