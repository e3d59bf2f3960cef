//! Counting letters of a kind in a string.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::wrong::{TELLING, Wrong, solutions, telling};
use crate::{
    family::{Class, Drawn, Family, Rule, RuleText, Solutions},
    index::Index,
};

pub(super) const FAMILY: Family = Family {
    name: "count_vowels",
    description: "count the vowels (or other letters) of a string",
    rules: &[
        &CountVowels {
            about: VOWELS,
            alphabet: LOWER,
            some_vowels: false,
            value: vowels,
            reference: VOWELS_PYTHON,
            wrong: VOWELS_WRONG,
        },
        &CountVowels {
            about: WITH_Y,
            alphabet: LOWER_AND_Y,
            some_vowels: false,
            value: with_y,
            reference: WITH_Y_PYTHON,
            wrong: WITH_Y_WRONG,
        },
        &CountVowels {
            about: ANY_CASE,
            alphabet: BOTH_CASES,
            some_vowels: false,
            value: any_case,
            reference: ANY_CASE_PYTHON,
            wrong: ANY_CASE_WRONG,
        },
        &CountVowels {
            about: CONSONANTS,
            alphabet: LOWER,
            some_vowels: false,
            value: consonants,
            reference: CONSONANTS_PYTHON,
            wrong: CONSONANTS_WRONG,
        },
        &CountVowels {
            about: DISTINCT,
            alphabet: LOWER,
            some_vowels: true,
            value: distinct,
            reference: DISTINCT_PYTHON,
            wrong: DISTINCT_WRONG,
        },
        &CountVowels {
            about: GROUPS,
            alphabet: LOWER,
            some_vowels: false,
            value: groups,
            reference: GROUPS_PYTHON,
            wrong: GROUPS_WRONG,
        },
    ],
};

// Few consonants, so that vowels are frequent and stand side by side.
const LOWER: &str = "aeioubcdglmnprst ";
const LOWER_AND_Y: &str = "aeiouybcdlmnrst ";
const BOTH_CASES: &str = "aeiouAEIOUbdnstBDNST ";

struct CountVowels {
    about: RuleText,
    /// What the strings are made of.
    alphabet: &'static str,
    /// Each string leaves out some vowels, so that long strings differ in which they have.
    some_vowels: bool,
    value: fn(&str) -> Value,
    reference: &'static str,
    wrong: &'static [Wrong<str>],
}

/// Letters in a string: `4 d + 6`.
fn length(difficulty: u8) -> u32 {
    // Another length at every difficulty, so no string belongs to two of them.
    4 * u32::from(difficulty) + 6
}

impl Rule for CountVowels {
    fn about(&self) -> &RuleText {
        &self.about
    }

    fn classes(&self) -> &'static [Class] {
        &[TELLING]
    }

    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        BigUint::from(self.alphabet.len()).pow(length(difficulty))
            * if self.some_vowels { 31u32 } else { 1 }
    }

    fn draw(&self, difficulty: u8, _: Class, mut index: Index) -> Option<Drawn> {
        let mut letters = self.alphabet.chars().collect::<Vec<_>>();
        if self.some_vowels {
            // The subsets of five vowels but the empty one.
            let chosen = 1 + index.take(31);
            let vowels = "aeiou"
                .chars()
                .enumerate()
                .filter(|(i, _)| chosen >> i & 1 == 1)
                .map(|(_, vowel)| vowel);
            // The alphabets begin with the five vowels.
            letters.splice(..5, vowels);
        }
        let s: String = (0..length(difficulty))
            .map(|_| *index.pick(&letters))
            .collect();
        // Every chosen vowel must appear, or two choices could give the same string.
        let all_used = !self.some_vowels
            || letters
                .iter()
                .filter(|letter| VOWEL.contains(**letter))
                .all(|vowel| s.contains(*vowel));
        if !all_used {
            return None;
        }
        telling(Value::str(&s), s.as_str(), (self.value)(&s), self.wrong)
    }

    fn solutions(&self) -> Solutions {
        solutions(self.reference, self.wrong)
    }
}

const VOWEL: &str = "aeiou";

fn count(s: &str, keep: fn(char) -> bool) -> Value {
    Value::int(s.chars().filter(|c| keep(*c)).count())
}

fn vowels(s: &str) -> Value {
    count(s, |c| VOWEL.contains(c))
}

fn with_y(s: &str) -> Value {
    count(s, |c| "aeiouy".contains(c))
}

fn any_case(s: &str) -> Value {
    count(s, |c| VOWEL.contains(c.to_ascii_lowercase()))
}

fn consonants(s: &str) -> Value {
    count(s, |c| c != ' ' && !VOWEL.contains(c))
}

fn distinct(s: &str) -> Value {
    Value::int(VOWEL.chars().filter(|vowel| s.contains(*vowel)).count())
}

fn groups(s: &str) -> Value {
    Value::int(
        s.split(|c| !VOWEL.contains(c))
            .filter(|group| !group.is_empty())
            .count(),
    )
}

fn others(s: &str) -> Value {
    count(s, |c| !VOWEL.contains(c))
}

const VOWELS: RuleText = RuleText {
    id: "letters=aeiou",
    lowest_difficulty: 1,
    signature: "def count_vowels(s: str) -> int",
    task: "Return how many vowels (a, e, i, o, u) the string s has.",
};
const VOWELS_PYTHON: &str = "\
def count_vowels(s: str) -> int:
    return sum(1 for c in s if c in 'aeiou')
";
const VOWELS_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "different vowels",
        python: "def count_vowels(s: str) -> int:\n    return len(set(s) & set('aeiou'))\n",
        value: distinct,
    },
    Wrong {
        name: "other characters",
        python: "def count_vowels(s: str) -> int:
    return sum(1 for c in s if c not in 'aeiou')
",
        value: others,
    },
    Wrong {
        name: "stops at the first",
        python: "def count_vowels(s: str) -> int:
    count = 0
    for c in s:
        if c in 'aeiou':
            count += 1
            return count
    return count
",
        value: |s| Value::int(u8::from(s.chars().any(|c| VOWEL.contains(c)))),
    },
    Wrong {
        name: "length",
        python: "def count_vowels(s: str) -> int:\n    return len(s)\n",
        value: |s| Value::int(s.len()),
    },
];

const WITH_Y: RuleText = RuleText {
    id: "letters=aeiouy",
    lowest_difficulty: 3,
    signature: "def count_vowels_and_y(s: str) -> int",
    task: "Return how many of the letters a, e, i, o, u and y the string s has.",
};
const WITH_Y_PYTHON: &str = "\
def count_vowels_and_y(s: str) -> int:
    return sum(1 for c in s if c in 'aeiouy')
";
const WITH_Y_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "without y",
        python: "def count_vowels_and_y(s: str) -> int:
    return sum(1 for c in s if c in 'aeiou')
",
        value: vowels,
    },
    Wrong {
        name: "y only",
        python: "def count_vowels_and_y(s: str) -> int:\n    return s.count('y')\n",
        value: |s| count(s, |c| c == 'y'),
    },
];

const ANY_CASE: RuleText = RuleText {
    id: "letters=aeiou,case=any",
    lowest_difficulty: 4,
    signature: "def count_vowels(s: str) -> int",
    task: "Return how many vowels (a, e, i, o, u) the string s has, counting both small and \
        capital letters.",
};
const ANY_CASE_PYTHON: &str = "\
def count_vowels(s: str) -> int:
    return sum(1 for c in s.lower() if c in 'aeiou')
";
const ANY_CASE_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "small letters only",
        python: "def count_vowels(s: str) -> int:\n    return sum(1 for c in s if c in 'aeiou')\n",
        value: vowels,
    },
    Wrong {
        name: "capital letters only",
        python: "def count_vowels(s: str) -> int:\n    return sum(1 for c in s if c in 'AEIOU')\n",
        value: |s| count(s, |c| "AEIOU".contains(c)),
    },
];

const CONSONANTS: RuleText = RuleText {
    id: "letters=consonants",
    lowest_difficulty: 5,
    signature: "def count_consonants(s: str) -> int",
    task: "Return how many consonants the string s has: letters other than a, e, i, o and u. \
        Spaces do not count.",
};
const CONSONANTS_PYTHON: &str = "\
def count_consonants(s: str) -> int:
    return sum(1 for c in s if c.isalpha() and c not in 'aeiou')
";
const CONSONANTS_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "spaces counted",
        python: "def count_consonants(s: str) -> int:
    return sum(1 for c in s if c not in 'aeiou')
",
        value: others,
    },
    Wrong {
        name: "vowels",
        python: "def count_consonants(s: str) -> int:
    return sum(1 for c in s if c in 'aeiou')
",
        value: vowels,
    },
];

const DISTINCT: RuleText = RuleText {
    id: "count=distinct",
    lowest_difficulty: 6,
    signature: "def count_distinct_vowels(s: str) -> int",
    task: "Return how many different vowels (a, e, i, o, u) appear in the string s, counting each \
        of them once.",
};
const DISTINCT_PYTHON: &str = "\
def count_distinct_vowels(s: str) -> int:
    return len(set(s) & set('aeiou'))
";
const DISTINCT_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "every vowel counted",
        python: "def count_distinct_vowels(s: str) -> int:
    return sum(1 for c in s if c in 'aeiou')
",
        value: vowels,
    },
    Wrong {
        name: "different characters",
        python: "def count_distinct_vowels(s: str) -> int:\n    return len(set(s))\n",
        value: |s| Value::int(s.chars().collect::<std::collections::BTreeSet<_>>().len()),
    },
];

const GROUPS: RuleText = RuleText {
    id: "count=groups",
    lowest_difficulty: 7,
    signature: "def count_vowel_groups(s: str) -> int",
    task: "Return how many groups of adjacent vowels (a, e, i, o, u) the string s has: 'beautiful \
        idea' has 5 (eau, i, u, i, ea).",
};
const GROUPS_PYTHON: &str = "\
def count_vowel_groups(s: str) -> int:
    groups = 0
    before = ' '
    for c in s:
        if c in 'aeiou' and before not in 'aeiou':
            groups += 1
        before = c
    return groups
";
const GROUPS_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "every vowel counted",
        python: "def count_vowel_groups(s: str) -> int:
    return sum(1 for c in s if c in 'aeiou')
",
        value: vowels,
    },
    Wrong {
        name: "words counted",
        python: "def count_vowel_groups(s: str) -> int:\n    return len(s.split())\n",
        value: |s| Value::int(s.split(' ').filter(|word| !word.is_empty()).count()),
    },
];
