//! Strings over an alphabet, and texts of words.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::space::{Class, Inputs};
use crate::index::Index;

/// A string over an alphabet, longer with the difficulty.
#[derive(Debug, Clone)]
pub struct Text {
    alphabet: Vec<char>,
    first: u32,
    step: u32,
    variety: Option<usize>,
}

impl Text {
    /// Strings of 10 characters at difficulty 1 and 4 more at each further one.
    pub fn of(alphabet: &str) -> Self {
        Self {
            alphabet: alphabet.chars().collect(),
            first: 10,
            step: 4,
            variety: None,
        }
    }

    /// Strings of `first` characters at difficulty 1 and `step` more, at least 1, at each further
    /// one.
    #[must_use]
    pub fn sized(mut self, first: u32, step: u32) -> Self {
        (self.first, self.step) = (first, step);
        self
    }

    /// Each string has exactly so many different characters: long strings then differ in which
    /// they have, and the same one often stands beside itself.
    #[must_use]
    pub fn varied(mut self, characters: usize) -> Self {
        self.variety = Some(characters);
        self
    }

    fn length(&self, difficulty: u8) -> u32 {
        // Another length at every difficulty, so no string belongs to two of them.
        self.first + self.step * (u32::from(difficulty) - 1)
    }
}

impl Inputs for Text {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        let (letters, choices) = match self.variety {
            Some(count) => (count, Index::choices(self.alphabet.len(), count)),
            None => (self.alphabet.len(), 1),
        };
        BigUint::from(letters).pow(self.length(difficulty)) * choices
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let letters = match self.variety {
            Some(count) => index.choose(&self.alphabet, count),
            None => self.alphabet.clone(),
        };
        let length = self.length(difficulty);
        let text: String = (0..length).map(|_| *index.pick(&letters)).collect();
        // Every chosen one must appear, or two choices could give the same string.
        let complete =
            self.variety.is_none() || letters.iter().all(|letter| text.contains(*letter));
        complete.then(|| vec![Value::Str(text)])
    }
}

/// Short common words, of different lengths, first and last letters.
pub const WORDS: [&str; 48] = [
    "apple", "ant", "banana", "bell", "bird", "cat", "cedar", "city", "dog", "dune", "eagle",
    "east", "echo", "fig", "fox", "garden", "goat", "hat", "hill", "ice", "iris", "jazz", "kite",
    "lamp", "lemon", "letter", "map", "moon", "nest", "noon", "oak", "olive", "onion", "pepper",
    "pond", "queen", "river", "rose", "sea", "summer", "tea", "tiger", "umbrella", "violet",
    "wind", "winter", "yarn", "zebra",
];

/// Words in a row, more with the difficulty: 3 at the lowest and one more at each further one.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    list: bool,
}

impl Words {
    /// One text, its words separated by single spaces.
    pub const TEXT: Self = Self { list: false };
    /// A list of words.
    pub const LIST: Self = Self { list: true };
}

impl Inputs for Words {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        BigUint::from(WORDS.len()).pow(u32::from(difficulty) + 2)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let count = usize::from(difficulty) + 2;
        let words: Vec<&str> = (0..count).map(|_| *index.pick(&WORDS)).collect();
        Some(vec![if self.list {
            Value::List(words.into_iter().map(Value::str).collect())
        } else {
            Value::Str(words.join(" "))
        }])
    }
}
