# rule: key=distance,of=17,first=largest
def sort_numbers(numbers: list[int]) -> list[int]:
    return sorted(numbers, key=lambda x: -abs(x - 17))
