//! Whole numbers by range.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::space::{Class, Inputs};
use crate::index::Index;

/// One whole number, larger with the difficulty.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    least: u64,
    first: u64,
    growth: u64,
}

impl Numbers {
    /// From 10 up to 4,000 at the lowest difficulty; each further one begins where the last ended
    /// and goes to four times as much.
    pub const LARGE: Self = Self::growing(10, 4_000, 4);

    /// Difficulty 1 asks about `least` up to `end`, less one; each further one about the numbers
    /// from where the last ended to `growth` times as much.
    pub const fn growing(least: u64, end: u64, growth: u64) -> Self {
        Self {
            least,
            first: end,
            growth,
        }
    }

    fn end(self, difficulty: u8) -> u64 {
        self.first * self.growth.pow(u32::from(difficulty) - 1)
    }

    fn range(self, difficulty: u8) -> std::ops::Range<u64> {
        // Where the last difficulty ends: no number is asked about at two of them.
        let start = if difficulty <= 1 {
            self.least
        } else {
            self.end(difficulty - 1)
        };
        start..self.end(difficulty)
    }
}

impl Inputs for Numbers {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        let range = self.range(difficulty);
        BigUint::from(range.end - range.start)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let range = self.range(difficulty);
        let n = range.start + index.take(range.end - range.start);
        Some(vec![Value::int(n)])
    }
}

/// One whole number of a range that is the same at every difficulty: a second argument, beside one
/// that grows.
#[derive(Debug, Clone, Copy)]
pub struct Between(pub i64, pub i64);

impl Between {
    fn count(self) -> u64 {
        u64::try_from(self.1 - self.0 + 1).expect("a range goes upwards")
    }
}

impl Inputs for Between {
    fn size(&self, _: u8, _: Class) -> BigUint {
        BigUint::from(self.count())
    }

    fn draw(&self, _: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let above = i64::try_from(index.take(self.count())).expect("below the count");
        Some(vec![Value::int(self.0 + above)])
    }
}
