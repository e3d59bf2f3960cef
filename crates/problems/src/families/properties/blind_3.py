# rule: property=digit-sum,k=2,result=sum
def find_numbers(low: int, high: int) -> int:
    return sum(n for n in range(low, high + 1) if sum(map(int, str(abs(n)))) % 2 == 0)
