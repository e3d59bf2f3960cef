//! Sentences turned round: by words or within words.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::wrong::{TELLING, Wrong, solutions, telling};
use crate::{
    family::{Class, Drawn, Family, Rule, RuleText, Solutions},
    index::Index,
};

pub(super) const FAMILY: Family = Family {
    name: "reverse_words",
    description: "reverse the words of a sentence (or the letters of its words)",
    rules: &[
        &ReverseWords {
            about: WORDS,
            separator: " ",
            value: words,
            reference: WORDS_PYTHON,
            wrong: WORDS_WRONG,
        },
        &ReverseWords {
            about: LETTERS,
            separator: " ",
            value: letters,
            reference: LETTERS_PYTHON,
            wrong: LETTERS_WRONG,
        },
        &ReverseWords {
            about: DASHES,
            separator: "-",
            value: dashes,
            reference: DASHES_PYTHON,
            wrong: DASHES_WRONG,
        },
        &ReverseWords {
            about: FIRST_KEPT,
            separator: " ",
            value: first_kept,
            reference: FIRST_KEPT_PYTHON,
            wrong: FIRST_KEPT_WRONG,
        },
        &ReverseWords {
            about: EVERY_SECOND,
            separator: " ",
            value: every_second,
            reference: EVERY_SECOND_PYTHON,
            wrong: EVERY_SECOND_WRONG,
        },
    ],
};

const VOCABULARY: [&str; 48] = [
    "apple", "bird", "blue", "boat", "book", "bread", "bridge", "brown", "cat", "chair", "cloud",
    "cold", "dark", "door", "dream", "earth", "fire", "fish", "flower", "garden", "glass", "green",
    "hand", "house", "lamp", "leaf", "light", "moon", "mountain", "music", "night", "old", "paper",
    "quiet", "rain", "red", "river", "road", "salt", "sea", "small", "snow", "stone", "sun",
    "table", "tree", "water", "wind",
];

struct ReverseWords {
    about: RuleText,
    separator: &'static str,
    value: fn(&str) -> Value,
    reference: &'static str,
    wrong: &'static [Wrong<str>],
}

/// Words in a sentence: `d + 2`.
fn word_count(difficulty: u8) -> u32 {
    // Another number at every difficulty, so no sentence belongs to two of them.
    u32::from(difficulty) + 2
}

impl Rule for ReverseWords {
    fn about(&self) -> &RuleText {
        &self.about
    }

    fn classes(&self) -> &'static [Class] {
        &[TELLING]
    }

    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        BigUint::from(VOCABULARY.len()).pow(word_count(difficulty))
    }

    fn draw(&self, difficulty: u8, _: Class, mut index: Index) -> Option<Drawn> {
        let sentence: Vec<&str> = (0..word_count(difficulty))
            .map(|_| *index.pick(&VOCABULARY))
            .collect();
        let s = sentence.join(self.separator);
        telling(Value::str(&s), s.as_str(), (self.value)(&s), self.wrong)
    }

    fn solutions(&self) -> Solutions {
        solutions(self.reference, self.wrong)
    }
}

fn backwards(word: &str) -> String {
    word.chars().rev().collect()
}

fn whole(s: &str) -> Value {
    Value::Str(backwards(s))
}

fn unchanged(s: &str) -> Value {
    Value::str(s)
}

fn words(s: &str) -> Value {
    Value::Str(s.rsplit(' ').collect::<Vec<_>>().join(" "))
}

fn dashes(s: &str) -> Value {
    Value::Str(s.rsplit('-').collect::<Vec<_>>().join("-"))
}

fn letters(s: &str) -> Value {
    Value::Str(s.split(' ').map(backwards).collect::<Vec<_>>().join(" "))
}

fn first_kept(s: &str) -> Value {
    let mut words: Vec<&str> = s.split(' ').collect();
    words[1..].reverse();
    Value::Str(words.join(" "))
}

fn every_second(s: &str) -> Value {
    let turn = |(i, word): (usize, &str)| {
        if i % 2 == 1 {
            backwards(word)
        } else {
            word.to_owned()
        }
    };
    Value::Str(
        s.split(' ')
            .enumerate()
            .map(turn)
            .collect::<Vec<_>>()
            .join(" "),
    )
}

const WORDS: RuleText = RuleText {
    id: "unit=words",
    lowest_difficulty: 1,
    signature: "def reverse_words(s: str) -> str",
    task: "Return the words of s in reverse order, separated by single spaces.",
};
const WORDS_PYTHON: &str = "\
def reverse_words(s: str) -> str:
    return ' '.join(reversed(s.split()))
";
const WORDS_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "letters reversed",
        python: "def reverse_words(s: str) -> str:\n    return s[::-1]\n",
        value: whole,
    },
    Wrong {
        name: "letters of each word reversed",
        python: "def reverse_words(s: str) -> str:
    return ' '.join(word[::-1] for word in s.split())
",
        value: letters,
    },
    Wrong {
        name: "list for a string",
        python: "def reverse_words(s: str) -> str:\n    return s.split()[::-1]\n",
        // The Python returns a list. Any value that is no string stands for it: neither is ever
        // right.
        value: |_| Value::None,
    },
    Wrong {
        name: "spaces lost",
        python: "def reverse_words(s: str) -> str:\n    return ''.join(s.split()[::-1])\n",
        value: |s| Value::Str(s.rsplit(' ').collect()),
    },
    Wrong {
        name: "unchanged",
        python: "def reverse_words(s: str) -> str:\n    return s\n",
        value: unchanged,
    },
];

const LETTERS: RuleText = RuleText {
    id: "unit=letters",
    lowest_difficulty: 3,
    signature: "def reverse_each_word(s: str) -> str",
    task: "Return s with the letters of each word reversed and the words in their old order, \
        separated by single spaces.",
};
const LETTERS_PYTHON: &str = "\
def reverse_each_word(s: str) -> str:
    return ' '.join(word[::-1] for word in s.split())
";
const LETTERS_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "whole string reversed",
        python: "def reverse_each_word(s: str) -> str:\n    return s[::-1]\n",
        value: whole,
    },
    Wrong {
        name: "words reversed",
        python: "def reverse_each_word(s: str) -> str:\n    return ' '.join(s.split()[::-1])\n",
        value: words,
    },
];

const DASHES: RuleText = RuleText {
    id: "unit=words,separator=-",
    lowest_difficulty: 4,
    signature: "def reverse_parts(s: str) -> str",
    task: "The string s has words separated by dashes (-). Return them in reverse order, separated \
        by dashes.",
};
const DASHES_PYTHON: &str = "\
def reverse_parts(s: str) -> str:
    return '-'.join(reversed(s.split('-')))
";
const DASHES_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "split at spaces",
        python: "def reverse_parts(s: str) -> str:\n    return ' '.join(s.split()[::-1])\n",
        value: unchanged,
    },
    Wrong {
        name: "joined by spaces",
        python: "def reverse_parts(s: str) -> str:\n    return ' '.join(s.split('-')[::-1])\n",
        value: |s| Value::Str(s.rsplit('-').collect::<Vec<_>>().join(" ")),
    },
    Wrong {
        name: "letters reversed",
        python: "def reverse_parts(s: str) -> str:\n    return s[::-1]\n",
        value: whole,
    },
];

const FIRST_KEPT: RuleText = RuleText {
    id: "unit=words,first=kept",
    lowest_difficulty: 5,
    signature: "def reverse_rest(s: str) -> str",
    task: "Return s with its first word left in place and all the other words in reverse order, \
        separated by single spaces.",
};
const FIRST_KEPT_PYTHON: &str = "\
def reverse_rest(s: str) -> str:
    words = s.split()
    return ' '.join(words[:1] + words[1:][::-1])
";
const FIRST_KEPT_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "all words reversed",
        python: "def reverse_rest(s: str) -> str:\n    return ' '.join(s.split()[::-1])\n",
        value: words,
    },
    Wrong {
        name: "unchanged",
        python: "def reverse_rest(s: str) -> str:\n    return s\n",
        value: unchanged,
    },
];

const EVERY_SECOND: RuleText = RuleText {
    id: "unit=letters,words=second",
    lowest_difficulty: 6,
    signature: "def reverse_every_second_word(s: str) -> str",
    task: "Return s with the letters of every second word reversed (the 2nd, 4th, 6th, ...), all \
        words in their old places, separated by \
           single spaces.",
};
const EVERY_SECOND_PYTHON: &str = "\
def reverse_every_second_word(s: str) -> str:
    words = s.split()
    words[1::2] = [word[::-1] for word in words[1::2]]
    return ' '.join(words)
";
const EVERY_SECOND_WRONG: &[Wrong<str>] = &[
    Wrong {
        name: "every word",
        python: "def reverse_every_second_word(s: str) -> str:
    return ' '.join(word[::-1] for word in s.split())
",
        value: letters,
    },
    Wrong {
        name: "first word first",
        python: "def reverse_every_second_word(s: str) -> str:
    words = s.split()
    words[::2] = [word[::-1] for word in words[::2]]
    return ' '.join(words)
",
        value: |s| {
            let turn = |(i, word): (usize, &str)| {
                if i % 2 == 0 {
                    backwards(word)
                } else {
                    word.to_owned()
                }
            };
            Value::Str(
                s.split(' ')
                    .enumerate()
                    .map(turn)
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        },
    },
];
