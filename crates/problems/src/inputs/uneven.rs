//! Strings and lists of several lengths at one difficulty: for rules that count from both ends.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::space::{Class, Inputs};
use crate::index::Index;

/// A string or a list of one of a few lengths, each as often as the others. The items beyond the
/// shortest length follow from those before them: else nearly all inputs would be of the longest.
#[derive(Debug, Clone)]
pub struct Uneven {
    items: Items,
    first: usize,
    lengths: usize,
}

#[derive(Debug, Clone)]
enum Items {
    Letters(Vec<char>),
    Ints(i64, i64),
}

impl Uneven {
    /// Strings over an alphabet. Difficulty 1 has so many `lengths` from `first` on, each further
    /// one as many that are longer still.
    pub fn text(alphabet: &str, first: usize, lengths: usize) -> Self {
        Self {
            items: Items::Letters(alphabet.chars().collect()),
            first,
            lengths,
        }
    }

    /// Lists of whole numbers of a range, of lengths as in [`Uneven::text`].
    pub fn ints(least: i64, largest: i64, first: usize, lengths: usize) -> Self {
        Self {
            items: Items::Ints(least, largest),
            first,
            lengths,
        }
    }

    fn shortest(&self, difficulty: u8) -> usize {
        self.first + self.lengths * (usize::from(difficulty) - 1)
    }

    /// How many different items there are.
    fn radix(&self) -> u64 {
        match &self.items {
            Items::Letters(alphabet) => alphabet.len() as u64,
            Items::Ints(least, largest) => {
                u64::try_from(largest - least + 1).expect("a range goes upwards")
            }
        }
    }

    fn value(&self, places: &[u64]) -> Option<Value> {
        match &self.items {
            Items::Letters(alphabet) => {
                let letter = |place: &u64| alphabet.get(usize::try_from(*place).ok()?).copied();
                let text: Option<String> = places.iter().map(letter).collect();
                text.map(Value::Str)
            }
            Items::Ints(least, _) => {
                let number = |place: &u64| Some(Value::int(least + i64::try_from(*place).ok()?));
                let list: Option<Vec<Value>> = places.iter().map(number).collect();
                list.map(Value::List)
            }
        }
    }
}

impl Inputs for Uneven {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        let power = u32::try_from(self.shortest(difficulty)).expect("lengths are small");
        BigUint::from(self.radix()).pow(power) * self.lengths
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let radix = self.radix();
        let added = index.take(self.lengths as u64);
        let mut places: Vec<u64> = (0..self.shortest(difficulty))
            .map(|_| index.take(radix))
            .collect();
        for _ in 0..added {
            let weighed = (2..).zip(&places).map(|(weight, place)| weight * place);
            places.push((weighed.sum::<u64>() + 1) % radix);
        }
        Some(vec![self.value(&places)?])
    }
}
