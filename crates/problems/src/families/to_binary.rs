//! Digits of numbers in other bases, as strings.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::wrong::{TELLING, Wrong, number_range, solutions, telling};
use crate::{
    family::{Class, Drawn, Family, Rule, RuleText, Solutions},
    index::Index,
};

pub(super) const FAMILY: Family = Family {
    name: "to_binary",
    description: "write a number in binary or another base",
    rules: &[
        &ToBinary {
            about: BINARY,
            base: 2,
            least_first: false,
            wrong: BINARY_WRONG,
        },
        &ToBinary {
            about: OCTAL,
            base: 8,
            least_first: false,
            wrong: OCTAL_WRONG,
        },
        &ToBinary {
            about: TERNARY,
            base: 3,
            least_first: false,
            wrong: TERNARY_WRONG,
        },
        &ToBinary {
            about: HEXADECIMAL,
            base: 16,
            least_first: false,
            wrong: HEXADECIMAL_WRONG,
        },
        &ToBinary {
            about: LEAST_FIRST,
            base: 2,
            least_first: true,
            wrong: LEAST_FIRST_WRONG,
        },
    ],
};

struct ToBinary {
    about: RuleText,
    base: u64,
    least_first: bool,
    wrong: &'static [Wrong<u64>],
}

impl Rule for ToBinary {
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
        let text = if self.least_first {
            reversed(n, self.base)
        } else {
            digits(n, self.base)
        };
        telling(Value::int(n), &n, Value::Str(text), self.wrong)
    }

    fn solutions(&self) -> Solutions {
        let step = if self.least_first {
            "digits = digits + '0123456789abcdef'[n % BASE]"
        } else {
            "digits = '0123456789abcdef'[n % BASE] + digits"
        };
        let step = step.replace("BASE", &self.base.to_string());
        let reference = format!(
            "{}:
    if n == 0:
        return '0'
    digits = ''
    while n > 0:
        {step}
        n //= {}
    return digits
",
            self.about.signature, self.base
        );
        solutions(&reference, self.wrong)
    }
}

/// Digits of `n`, the least first.
fn reversed(mut n: u64, base: u64) -> String {
    let mut out = String::new();
    while n > 0 {
        let digit = u32::try_from(n % base).expect("a digit is below its base");
        out.push(char::from_digit(digit, 16).expect("bases are at most 16"));
        n /= base;
    }
    out
}

fn digits(n: u64, base: u64) -> String {
    reversed(n, base).chars().rev().collect()
}

const BINARY: RuleText = RuleText {
    id: "base=2",
    lowest_difficulty: 1,
    signature: "def to_binary(n: int) -> str",
    task: "Return the binary digits of n as a string, without a prefix.",
};
const BINARY_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "prefix kept",
        python: "def to_binary(n: int) -> str:\n    return bin(n)\n",
        value: |n| Value::Str(format!("{n:#b}")),
    },
    Wrong {
        name: "digits reversed",
        python: "def to_binary(n: int) -> str:
    digits = ''
    while n > 0:
        digits += str(n % 2)
        n //= 2
    return digits
",
        value: |n| Value::Str(reversed(*n, 2)),
    },
    Wrong {
        name: "number for a string",
        python: "def to_binary(n: int) -> str:\n    return int(bin(n)[2:])\n",
        // The Python returns an int. Any value that is no string stands for it: neither is ever
        // right.
        value: |_| Value::None,
    },
    Wrong {
        name: "first digit dropped",
        python: "def to_binary(n: int) -> str:
    digits = ''
    while n > 1:
        digits = str(n % 2) + digits
        n //= 2
    return digits
",
        value: |n| Value::str(&digits(*n, 2)[1..]),
    },
];

const OCTAL: RuleText = RuleText {
    id: "base=8",
    lowest_difficulty: 3,
    signature: "def to_octal(n: int) -> str",
    task: "Return the digits of n in base 8 as a string, without a prefix.",
};
const OCTAL_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "prefix kept",
        python: "def to_octal(n: int) -> str:\n    return oct(n)\n",
        value: |n| Value::Str(format!("{n:#o}")),
    },
    Wrong {
        name: "binary",
        python: "def to_octal(n: int) -> str:\n    return bin(n)[2:]\n",
        value: |n| Value::Str(digits(*n, 2)),
    },
    Wrong {
        name: "digits reversed",
        python: "def to_octal(n: int) -> str:\n    return oct(n)[2:][::-1]\n",
        value: |n| Value::Str(reversed(*n, 8)),
    },
];

const TERNARY: RuleText = RuleText {
    id: "base=3",
    lowest_difficulty: 4,
    signature: "def to_ternary(n: int) -> str",
    task: "Return the digits of n in base 3 as a string.",
};
const TERNARY_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "binary",
        python: "def to_ternary(n: int) -> str:\n    return bin(n)[2:]\n",
        value: |n| Value::Str(digits(*n, 2)),
    },
    Wrong {
        name: "digits reversed",
        python: "def to_ternary(n: int) -> str:
    digits = ''
    while n > 0:
        digits += str(n % 3)
        n //= 3
    return digits
",
        value: |n| Value::Str(reversed(*n, 3)),
    },
];

const HEXADECIMAL: RuleText = RuleText {
    id: "base=16",
    lowest_difficulty: 5,
    signature: "def to_hexadecimal(n: int) -> str",
    task: "Return the digits of n in base 16 as a string, with the small letters a to f and \
        without a prefix.",
};
const HEXADECIMAL_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "prefix kept",
        python: "def to_hexadecimal(n: int) -> str:\n    return hex(n)\n",
        value: |n| Value::Str(format!("{n:#x}")),
    },
    Wrong {
        name: "capital letters",
        python: "def to_hexadecimal(n: int) -> str:\n    return hex(n)[2:].upper()\n",
        value: |n| Value::Str(format!("{n:X}")),
    },
    Wrong {
        name: "decimal digits",
        python: "def to_hexadecimal(n: int) -> str:
    digits = ''
    while n > 0:
        digits = str(n % 16) + digits
        n //= 16
    return digits
",
        value: |n| {
            Value::Str(
                digits(*n, 16)
                    .chars()
                    .filter_map(|c| c.to_digit(16))
                    .map(|digit| digit.to_string())
                    .collect(),
            )
        },
    },
];

const LEAST_FIRST: RuleText = RuleText {
    id: "base=2,order=least-first",
    lowest_difficulty: 6,
    signature: "def to_binary_reversed(n: int) -> str",
    task: "Return the binary digits of n as a string, the least significant digit first, without a \
        prefix.",
};
const LEAST_FIRST_WRONG: &[Wrong<u64>] = &[
    Wrong {
        name: "most significant first",
        python: "def to_binary_reversed(n: int) -> str:\n    return bin(n)[2:]\n",
        value: |n| Value::Str(digits(*n, 2)),
    },
    Wrong {
        name: "prefix reversed along",
        python: "def to_binary_reversed(n: int) -> str:\n    return bin(n)[::-1]\n",
        value: |n| Value::Str(reversed(*n, 2) + "b0"),
    },
];
