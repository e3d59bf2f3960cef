# rule: first=last-3,second=drop-1,third=reverse
def change_list(numbers: list[int]) -> list[int]:
    numbers = numbers[-3:]
    numbers = numbers[1:]
    return numbers[::-1]
