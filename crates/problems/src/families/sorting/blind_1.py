# rule: key=digit-sum,of=10,first=largest,taken=three
def sort_numbers(numbers: list[int]) -> list[int]:
    return sorted(numbers, key=lambda x: -sum(int(d) for d in str(abs(x))))[:3]
