# rule: fold=max,size=3,step=3,result=smallest
def fold_windows(numbers: list[int]) -> int:
    return min(max(numbers[i:i + 3]) for i in range(0, len(numbers) - 2, 3))
