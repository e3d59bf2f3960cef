# rule: fold=xor,size=3,result=smallest
def fold_windows(numbers: list[int]) -> int:
    return min(a ^ b ^ c for a, b, c in zip(numbers, numbers[1:], numbers[2:]))
