# rule: key=remainder,of=10,first=largest,ties=smaller,taken=three
def sort_numbers(numbers: list[int]) -> list[int]:
    return sorted(numbers, key=lambda x: (-(x % 10), x))[:3]
