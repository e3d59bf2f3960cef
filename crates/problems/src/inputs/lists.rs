//! Lists and grids of whole numbers.

use groklab_domain::Value;
use num_bigint::BigUint;

use super::space::{Class, Inputs};
use crate::index::Index;

/// A list of whole numbers of a range, longer with the difficulty: 5 items at the lowest and 2 more
/// at each further one.
#[derive(Debug, Clone, Copy)]
pub struct Ints(pub i64, pub i64);

impl Ints {
    fn item(self, index: &mut Index) -> Value {
        let above = index.take(self.range());
        Value::int(self.0 + i64::try_from(above).expect("below the range's length"))
    }

    fn range(self) -> u64 {
        u64::try_from(self.1 - self.0 + 1).expect("a range goes upwards")
    }
}

impl Inputs for Ints {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        BigUint::from(self.range()).pow(2 * u32::from(difficulty) + 3)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let count = 2 * usize::from(difficulty) + 3;
        let items = (0..count).map(|_| self.item(index)).collect();
        Some(vec![Value::List(items)])
    }
}

/// A list of rows, each a list of whole numbers of a range: `d + 1` rows of 3 to 5 items at
/// difficulty `d`.
#[derive(Debug, Clone, Copy)]
pub struct Grid(pub i64, pub i64);

impl Grid {
    /// Lengths of rows: each is a part of the space.
    const WIDTHS: [u32; 3] = [3, 4, 5];
}

impl Inputs for Grid {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        let rows = u32::from(difficulty) + 1;
        let mut size = BigUint::ZERO;
        for width in Self::WIDTHS {
            size += BigUint::from(Ints(self.0, self.1).range()).pow(rows * width);
        }
        size
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let (rows, items) = (u32::from(difficulty) + 1, Ints(self.0, self.1));
        for width in Self::WIDTHS {
            let size = BigUint::from(items.range()).pow(rows * width);
            if index.below(&size) {
                let row = |index: &mut Index| (0..width).map(|_| items.item(index)).collect();
                let grid = (0..rows).map(|_| Value::List(row(index))).collect();
                return Some(vec![Value::List(grid)]);
            }
            index.subtract(&size);
        }
        None
    }
}
