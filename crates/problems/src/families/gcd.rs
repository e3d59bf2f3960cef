//! Greatest common divisors and least common multiples.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    bucket::shuffled,
    family::{Class, Drawn, Family, Rule, RuleText, Solutions},
    index::Index,
};

pub(super) const FAMILY: Family = Family {
    name: "gcd",
    description: "find the greatest common divisor (or least common multiple)",
    rules: &[
        &Gcd {
            about: PAIR,
            multiple: false,
            shape: Shape::Pair,
        },
        &Gcd {
            about: MULTIPLE,
            multiple: true,
            shape: Shape::Pair,
        },
        &Gcd {
            about: TRIPLE,
            multiple: false,
            shape: Shape::Triple,
        },
        &Gcd {
            about: LIST,
            multiple: false,
            shape: Shape::List,
        },
        &Gcd {
            about: MULTIPLE_LIST,
            multiple: true,
            shape: Shape::List,
        },
    ],
};

const PAIR: RuleText = RuleText {
    id: "op=gcd",
    lowest_difficulty: 1,
    signature: "def gcd(a: int, b: int) -> int",
    task: "Return the greatest common divisor of the positive integers a and b.",
};
const MULTIPLE: RuleText = RuleText {
    id: "op=lcm",
    lowest_difficulty: 3,
    signature: "def lcm(a: int, b: int) -> int",
    task: "Return the least common multiple of the positive integers a and b.",
};
const TRIPLE: RuleText = RuleText {
    id: "op=gcd,of=three",
    lowest_difficulty: 4,
    signature: "def gcd_of_three(a: int, b: int, c: int) -> int",
    task: "Return the greatest common divisor of the positive integers a, b and c.",
};
const LIST: RuleText = RuleText {
    id: "op=gcd,of=list",
    lowest_difficulty: 5,
    signature: "def gcd_of_list(numbers: list[int]) -> int",
    task: "Return the greatest common divisor of all the positive integers in the list.",
};
const MULTIPLE_LIST: RuleText = RuleText {
    id: "op=lcm,of=list",
    lowest_difficulty: 6,
    signature: "def lcm_of_list(numbers: list[int]) -> int",
    task: "Return the least common multiple of all the positive integers in the list.",
};

/// A common divisor above 1 that is none of the numbers, where every usual mistake shows.
const SHARED: Class = "shared";
/// No common divisor above 1.
const COPRIME: Class = "coprime";
/// The smallest number divides all the others, so it is the greatest common divisor itself.
const DIVIDES: Class = "divides";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Pair,
    Triple,
    List,
}

struct Gcd {
    about: RuleText,
    /// Least common multiple, rather than greatest common divisor.
    multiple: bool,
    shape: Shape,
}

/// The smallest number of a case at difficulty `d`: from `50 · 2^d` (2 for the lowest) up to `100 ·
/// 2^d`, less one.
fn smallest_range(difficulty: u8) -> std::ops::Range<u64> {
    // Where the difficulty below ends, so that no smallest number belongs to two of them.
    let low = if difficulty <= 1 { 2 } else { 50 << difficulty };
    low..(100 << difficulty)
}

/// In class [`DIVIDES`] the other numbers are 2 to this times the smallest.
const LARGEST_FACTOR: u64 = 17;

impl Gcd {
    /// How many numbers there are: 2, 3, or for lists 3 (4 from difficulty 8 on).
    fn count(&self, difficulty: u8) -> u64 {
        match self.shape {
            Shape::Pair => 2,
            Shape::List if difficulty >= 8 => 4,
            Shape::Triple | Shape::List => 3,
        }
    }

    /// Choices for each number but the smallest.
    fn others(difficulty: u8, class: Class) -> u64 {
        if class == DIVIDES {
            LARGEST_FACTOR - 1
        } else {
            4 * smallest_range(difficulty).end
        }
    }

    // Four numbers of half a million have multiples beyond 64 bits.
    fn value(&self, numbers: &[u64]) -> u128 {
        if self.multiple {
            numbers.iter().fold(1, |acc, n| lcm(acc, u128::from(*n)))
        } else {
            common_divisor(numbers).into()
        }
    }

    /// Whether every usual wrong solution is wrong on numbers with a shared divisor.
    fn tells(&self, numbers: &[u64]) -> bool {
        let value = self.value(numbers);
        let before_last = &numbers[..numbers.len() - 1];
        let smallest = numbers.iter().min().copied().unwrap_or(1);
        let largest = numbers.iter().max().copied().unwrap_or(1);
        let difference = u128::from(numbers[0].abs_diff(numbers[1]));
        let product: u128 = numbers.iter().map(|n| u128::from(*n)).product();
        self.value(before_last) != value
            // What the usual wrong solutions return.
            && ![smallest.into(), largest.into(), difference, product].contains(&value)
    }
}

impl Rule for Gcd {
    fn about(&self) -> &RuleText {
        &self.about
    }

    fn classes(&self) -> &'static [Class] {
        &[SHARED, DIVIDES, SHARED, COPRIME]
    }

    fn commutes(&self) -> bool {
        true
    }

    fn size(&self, difficulty: u8, class: Class) -> BigUint {
        let range = smallest_range(difficulty);
        let count = self.count(difficulty);
        let others = BigUint::from(Self::others(difficulty, class))
            .pow(u32::try_from(count - 1).expect("at most four numbers"));
        others * (range.end - range.start)
    }

    fn draw(&self, difficulty: u8, class: Class, mut index: Index) -> Option<Drawn> {
        let range = smallest_range(difficulty);
        let count = self.count(difficulty);
        let smallest = range.start + index.take(range.end - range.start);
        let choices = Self::others(difficulty, class);
        let other = |choice| {
            if class == DIVIDES {
                smallest * (2 + choice)
            } else {
                smallest + 1 + choice
            }
        };
        let ascending: Vec<u64> = [smallest]
            .into_iter()
            .chain((1..count).map(|_| other(index.take(choices))))
            .collect();
        // Only one order of each set of numbers has an index, for the answer is the same in all of
        // them.
        if !ascending.is_sorted() {
            return None;
        }
        // Else the smallest would always stand first, and a solution could lean on that.
        let numbers = shuffled(&format!("{ascending:?}"), ascending);
        let common = common_divisor(&numbers);
        let fits = match class {
            // Neither 1 nor a number of the list, which short cuts return.
            SHARED => common > 1 && common < smallest && self.tells(&numbers),
            // Some wrong solutions are right here, such as `return 1`: the shared cases are there
            // for them.
            COPRIME => common == 1,
            _ => true,
        };
        let values: Vec<Value> = numbers.iter().map(|n| Value::int(*n)).collect();
        let args = if self.shape == Shape::List {
            vec![Value::List(values)]
        } else {
            values
        };
        fits.then(|| Drawn {
            args,
            expected: Value::int(self.value(&numbers)),
        })
    }

    fn solutions(&self) -> Solutions {
        let numbers = match self.shape {
            Shape::Pair => "[a, b]",
            Shape::Triple => "[a, b, c]",
            Shape::List => "numbers",
        };
        let python = |body: &str| {
            let lines: String = body
                .replace("NUMBERS", numbers)
                .lines()
                .map(|line| format!("    {line}\n"))
                .collect();
            format!("{}:\n{lines}", self.about.signature)
        };
        let reference = if self.multiple {
            MULTIPLE_PYTHON
        } else {
            DIVISOR_PYTHON
        };
        let mut wrong = vec![
            ("largest number", python("return max(NUMBERS)")),
            ("smallest number", python("return min(NUMBERS)")),
            ("difference", python("return abs(NUMBERS[0] - NUMBERS[1])")),
            (
                "last number ignored",
                python(&reference.replace("NUMBERS", "NUMBERS[:-1]")),
            ),
        ];
        if self.multiple {
            wrong.push((
                "product",
                python("value = 1\nfor n in NUMBERS:\n    value *= n\nreturn value"),
            ));
            wrong.push(("divisor for multiple", python(DIVISOR_PYTHON)));
        } else {
            wrong.push(("always 1", python("return 1")));
            wrong.push(("range ends too early", python(TOO_EARLY)));
        }
        Solutions {
            reference: python(reference),
            wrong,
        }
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn lcm(a: u128, b: u128) -> u128 {
    a / gcd(a, b) * b
}

fn common_divisor(numbers: &[u64]) -> u64 {
    let common = numbers.iter().fold(0, |acc, n| gcd(acc, u128::from(*n)));
    u64::try_from(common).expect("a divisor is at most its number")
}

const DIVISOR_PYTHON: &str = "\
value = 0
for n in NUMBERS:
    while n:
        value, n = n, value % n
return value";

const MULTIPLE_PYTHON: &str = "\
value = 1
for n in NUMBERS:
    a, b = value, n
    while b:
        a, b = b, a % b
    value = value // a * n
return value";

// Wrong only where the smallest number is the divisor: the class `divides` is for it.
const TOO_EARLY: &str = "\
value = 1
for i in range(1, min(NUMBERS)):
    if all(n % i == 0 for n in NUMBERS):
        value = i
return value";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::canonical;
    use std::collections::HashSet;

    #[test]
    fn no_two_indices_differ_in_order_alone() {
        for (rule, difficulty, indices) in [
            (FAMILY.rules[0], 1, 3168),
            (FAMILY.rules[2], 1, 50_000),
            (FAMILY.rules[4], 8, 50_000),
        ] {
            let mut seen = HashSet::new();
            let (mut cases, mut smallest_first) = (0, 0);
            for drawn in
                (0u32..indices).filter_map(|i| rule.draw(difficulty, DIVIDES, Index::new(i)))
            {
                cases += 1;
                assert!(seen.insert(canonical(rule, &drawn.args)), "{drawn:?}");
                let numbers = if let [Value::List(items)] = &drawn.args[..] {
                    items
                } else {
                    &drawn.args
                };
                let first = numbers[0].python();
                smallest_first += u32::from(
                    numbers
                        .iter()
                        .all(|n| (first.len(), &first) <= (n.python().len(), &n.python())),
                );
            }
            assert!(
                cases > 1000 && (cases / 5..2 * cases / 3).contains(&smallest_first),
                "{smallest_first} of {cases}"
            );
        }
    }

    #[test]
    fn order_does_not_move_a_case() {
        let case = |a: u64, b: u64| [Value::int(a), Value::int(b)];
        assert_eq!(canonical(FAMILY.rules[0], &case(84, 36)), "36, 84");
        assert_eq!(canonical(FAMILY.rules[1], &case(9, 100)), "9, 100");
        assert_eq!(
            canonical(FAMILY.rules[3], &[Value::List(case(84, 36).to_vec())]),
            "[36, 84]"
        );
    }
}
