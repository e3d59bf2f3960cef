def change_bits(numbers):
    return numbers
