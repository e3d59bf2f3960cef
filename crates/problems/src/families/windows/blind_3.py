# rule: fold=spread,size=3,step=3,result=smallest
def fold_windows(numbers: list[int]) -> int:
    blocks = [numbers[i:i + 3] for i in range(0, len(numbers) - 2, 3)]
    return min(max(b) - min(b) for b in blocks)
