# rule: first=double,second=left-2,third=differences
def change_list(numbers: list[int]) -> list[int]:
    numbers = [2 * x for x in numbers]
    numbers = numbers[2:] + numbers[:2]
    return [b - a for a, b in zip(numbers, numbers[1:])]
