//! Sums over the decimal digits of a number.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::wrong::{TELLING, Wrong, number_range, solutions, telling};
use crate::{
    family::{Class, Drawn, Family, Rule, RuleText, Solutions},
    index::Index,
};

pub(super) const FAMILY: Family = Family {
    name: "sum_digits",
    description: "add up the decimal digits of a number",
    rules: &[
        &SumDigits {
            about: ALL,
            value: all,
            reference: ALL_PYTHON,
            wrong: ALL_WRONG,
        },
        &SumDigits {
            about: EVEN,
            value: even,
            reference: EVEN_PYTHON,
            wrong: EVEN_WRONG,
        },
        &SumDigits {
            about: ODD,
            value: odd,
            reference: ODD_PYTHON,
            wrong: ODD_WRONG,
        },
        &SumDigits {
            about: SQUARES,
            value: squares,
            reference: SQUARES_PYTHON,
            wrong: SQUARES_WRONG,
        },
        &SumDigits {
            about: ALTERNATING,
            value: alternating,
            reference: ALTERNATING_PYTHON,
            wrong: ALTERNATING_WRONG,
        },
        &SumDigits {
            about: REPEATED,
            value: repeated,
            reference: REPEATED_PYTHON,
            wrong: REPEATED_WRONG,
        },
    ],
};

struct SumDigits {
    about: RuleText,
    value: fn(&u64) -> Value,
    reference: &'static str,
    wrong: &'static [Wrong<u64>],
}

impl Rule for SumDigits {
    fn about(&self) -> &RuleText {
        &self.about
    }

    fn classes(&self) -> &'static [Class] {
        &[TELLING]
    }

    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        let range = number_range(difficulty);
        BigUint::from(range.end - range.start)
    }

    fn draw(&self, difficulty: u8, _: Class, mut index: Index) -> Option<Drawn> {
        let range = number_range(difficulty);
        let n = range.start + index.take(range.end - range.start);
        telling(Value::int(n), &n, (self.value)(&n), self.wrong)
    }

    fn solutions(&self) -> Solutions {
        solutions(self.reference, self.wrong)
    }
}

/// Decimal digits, the first one first.
fn digits(n: u64) -> Vec<i64> {
    n.to_string()
        .bytes()
        .map(|digit| i64::from(digit - b'0'))
        .collect()
}

fn sum(n: u64, keep: fn(i64) -> bool) -> i64 {
    digits(n).into_iter().filter(|digit| keep(*digit)).sum()
}

fn all(n: &u64) -> Value {
    Value::int(sum(*n, |_| true))
}

fn even(n: &u64) -> Value {
    Value::int(sum(*n, |digit| digit % 2 == 0))
}

fn odd(n: &u64) -> Value {
    Value::int(sum(*n, |digit| digit % 2 == 1))
}

fn squares(n: &u64) -> Value {
    Value::int(digits(*n).iter().map(|digit| digit * digit).sum::<i64>())
}

fn alternating(n: &u64) -> Value {
    Value::int(
        digits(*n)
            .iter()
            .enumerate()
            .map(|(i, digit)| if i % 2 == 0 { *digit } else { -digit })
            .sum::<i64>(),
    )
}

fn repeated(n: &u64) -> Value {
    // A number and the sum of its digits leave the same remainder when divided by 9; n is never 0.
    Value::int((n - 1) % 9 + 1)
}

const ALL: RuleText = RuleText {
    id: "digits=all",
    lowest_difficulty: 1,
    signature: "def sum_digits(n: int) -> int",
    task: "Return the sum of the decimal digits of n.",
};
const ALL_PYTHON: &str = "\
def sum_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n))
";
const ALL_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "last digit",
        python: "def sum_digits(n: int) -> int:\n    return n % 10\n",
        value: |n| Value::int(n % 10),
    },
    Wrong {
        name: "number of digits",
        python: "def sum_digits(n: int) -> int:\n    return len(str(n))\n",
        value: |n| Value::int(digits(*n).len()),
    },
    Wrong {
        name: "first digit dropped",
        python: "def sum_digits(n: int) -> int:
    total = 0
    while n > 9:
        total += n % 10
        n //= 10
    return total
",
        value: |n| Value::int(digits(*n)[1..].iter().sum::<i64>()),
    },
    Wrong {
        name: "the number itself",
        python: "def sum_digits(n: int) -> int:\n    return n\n",
        value: |n| Value::int(*n),
    },
];

const EVEN: RuleText = RuleText {
    id: "digits=even",
    lowest_difficulty: 3,
    signature: "def sum_even_digits(n: int) -> int",
    task: "Return the sum of the even decimal digits of n (0, 2, 4, 6 and 8), 0 if there are none.",
};
const EVEN_PYTHON: &str = "\
def sum_even_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n) if int(digit) % 2 == 0)
";
const EVEN_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "all digits",
        python: "def sum_even_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n))
",
        value: all,
    },
    Wrong {
        name: "odd digits",
        python: "def sum_even_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n) if digit in '13579')
",
        value: odd,
    },
    Wrong {
        name: "digits at even places",
        python: "def sum_even_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n)[::2])
",
        value: |n| Value::int(digits(*n).iter().step_by(2).sum::<i64>()),
    },
];

const ODD: RuleText = RuleText {
    id: "digits=odd",
    lowest_difficulty: 4,
    signature: "def sum_odd_digits(n: int) -> int",
    task: "Return the sum of the odd decimal digits of n (1, 3, 5, 7 and 9), 0 if there are none.",
};
const ODD_PYTHON: &str = "\
def sum_odd_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n) if int(digit) % 2 == 1)
";
const ODD_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "all digits",
        python: "def sum_odd_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n))
",
        value: all,
    },
    Wrong {
        name: "even digits",
        python: "def sum_odd_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n) if digit in '02468')
",
        value: even,
    },
    Wrong {
        name: "digits at odd places",
        python: "def sum_odd_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n)[1::2])
",
        value: |n| Value::int(digits(*n).iter().skip(1).step_by(2).sum::<i64>()),
    },
];

const SQUARES: RuleText = RuleText {
    id: "power=2",
    lowest_difficulty: 5,
    signature: "def sum_squared_digits(n: int) -> int",
    task: "Return the sum of the squares of the decimal digits of n.",
};
const SQUARES_PYTHON: &str = "\
def sum_squared_digits(n: int) -> int:
    return sum(int(digit) ** 2 for digit in str(n))
";
const SQUARES_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "not squared",
        python: "def sum_squared_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n))
",
        value: all,
    },
    Wrong {
        name: "square of the sum",
        python: "def sum_squared_digits(n: int) -> int:
    return sum(int(digit) for digit in str(n)) ** 2
",
        value: |n| Value::int(sum(*n, |_| true).pow(2)),
    },
];

const ALTERNATING: RuleText = RuleText {
    id: "sign=alternating",
    lowest_difficulty: 6,
    signature: "def alternating_digit_sum(n: int) -> int",
    task: "Return the first decimal digit of n, minus the second, plus the third, and so on from \
        the left.",
};
const ALTERNATING_PYTHON: &str = "\
def alternating_digit_sum(n: int) -> int:
    total = 0
    for i, digit in enumerate(str(n)):
        total += int(digit) if i % 2 == 0 else -int(digit)
    return total
";
const ALTERNATING_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "signs ignored",
        python: "def alternating_digit_sum(n: int) -> int:
    return sum(int(digit) for digit in str(n))
",
        value: all,
    },
    Wrong {
        name: "minus first",
        python: "def alternating_digit_sum(n: int) -> int:
    digits = [int(digit) for digit in str(n)]
    return sum(digits[1::2]) - sum(digits[::2])
",
        value: |n| {
            Value::int(
                digits(*n)
                    .iter()
                    .enumerate()
                    .map(|(i, digit)| if i % 2 == 1 { *digit } else { -digit })
                    .sum::<i64>(),
            )
        },
    },
];

const REPEATED: RuleText = RuleText {
    id: "repeat=one-digit",
    lowest_difficulty: 7,
    signature: "def digital_root(n: int) -> int",
    task: "Add up the decimal digits of n, then the digits of that sum, and so on, until one digit \
        is left. Return that digit.",
};
const REPEATED_PYTHON: &str = "\
def digital_root(n: int) -> int:
    while n > 9:
        n = sum(int(digit) for digit in str(n))
    return n
";
const REPEATED_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "added once",
        python: "def digital_root(n: int) -> int:
    return sum(int(digit) for digit in str(n))
",
        value: all,
    },
    Wrong {
        name: "last digit",
        python: "def digital_root(n: int) -> int:\n    return n % 10\n",
        value: |n| Value::int(n % 10),
    },
];
