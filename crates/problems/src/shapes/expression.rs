//! Arithmetic expressions for the families that evaluate them: operators, and expressions by
//! number.

use super::dyck;
use crate::index::Index;
use num_bigint::BigUint;

/// Numbers in expressions are 1 to this.
const LARGEST: u64 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Subtract,
    Multiply,
    /// Rounds towards minus infinity, as Python's `//`.
    Divide,
    Larger,
    Smaller,
    /// `a @ b`: so many times a plus so many times b.
    Own(i8, i8),
}

/// Factors of [`Op::Own`]. The second is never 1: then `a @ (b + c)` would be `(a @ b) + c`, and
/// two orders of evaluation one function.
pub(crate) const OWN: [(i8, i8); 12] = [
    (1, 2),
    (1, 3),
    (2, 2),
    (2, 3),
    (3, 2),
    (3, 3),
    (1, -2),
    (2, -1),
    (3, -1),
    (-1, 2),
    (2, -3),
    (3, -2),
];

impl Op {
    pub fn token(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "//",
            Self::Larger => "max",
            Self::Smaller => "min",
            Self::Own(..) => "@",
        }
    }

    /// The value, or `None` for a division by zero or beyond 127 bits.
    pub fn apply(self, a: i128, b: i128) -> Option<i128> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide => {
                // Rust rounds towards zero: where the signs differ and something is left over, that
                // is one too high.
                let quotient = a.checked_div(b)?;
                let rounded_up = a % b != 0 && (a < 0) != (b < 0);
                Some(quotient - i128::from(rounded_up))
            }
            Self::Larger => Some(a.max(b)),
            Self::Smaller => Some(a.min(b)),
            Self::Own(p, q) => {
                let (a, b) = (a.checked_mul(p.into())?, b.checked_mul(q.into())?);
                a.checked_add(b)
            }
        }
    }
}

/// A binary tree over numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tree {
    Number(i128),
    Node(Op, Box<Tree>, Box<Tree>),
}

/// Operators that difficulty `d` asks for in one expression: `d + 1`.
fn operator_count(difficulty: u8) -> u32 {
    // Another number at every difficulty, so no expression belongs to two of them.
    u32::from(difficulty) + 1
}

/// How many flat expressions (operators and numbers in a row) a difficulty has.
pub(crate) fn flat_size(difficulty: u8, operators: &[Op]) -> BigUint {
    let count = operator_count(difficulty);
    // One number more than operators.
    BigUint::from(operators.len()).pow(count) * BigUint::from(LARGEST).pow(count + 1)
}

/// The flat expression with this index.
pub(crate) fn flat(difficulty: u8, operators: &[Op], index: &mut Index) -> (Vec<i128>, Vec<Op>) {
    let count = operator_count(difficulty);
    let ops = (0..count).map(|_| *index.pick(operators)).collect();
    let numbers = (0..=count)
        .map(|_| i128::from(index.take(LARGEST)) + 1)
        .collect();
    (numbers, ops)
}

/// How many trees a difficulty has.
pub(crate) fn tree_size(difficulty: u8, operators: &[Op]) -> BigUint {
    flat_size(difficulty, operators) * dyck::words(operator_count(difficulty))
}

/// The tree with this index.
pub(crate) fn tree(difficulty: u8, operators: &[Op], index: &mut Index) -> Tree {
    let count = operator_count(difficulty);
    // As many binary trees as balanced words: the Catalan numbers count both.
    let shape = dyck::word(count, index.take(dyck::words(count)));
    let (numbers, ops) = flat(difficulty, operators, index);
    grow(
        &mut shape.into_iter(),
        &mut numbers.into_iter(),
        &mut ops.into_iter(),
    )
}

/// A balanced word `( left ) right` is a node; the empty word is a number. Numbers and operators
/// are used up in reading order.
fn grow(
    shape: &mut impl Iterator<Item = bool>,
    numbers: &mut impl Iterator<Item = i128>,
    ops: &mut impl Iterator<Item = Op>,
) -> Tree {
    if shape.next() == Some(true) {
        let left = grow(shape, numbers, ops);
        let op = ops
            .next()
            .expect("a shape has as many nodes as there are operators");
        let right = grow(shape, numbers, ops);
        Tree::Node(op, Box::new(left), Box::new(right))
    } else {
        Tree::Number(
            numbers
                .next()
                .expect("a shape has one more number than operators"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_rounds_down() {
        let quotients =
            [(7, 2), (-7, 2), (7, -2), (-7, -2), (6, -2)].map(|(a, b)| Op::Divide.apply(a, b));
        assert_eq!(quotients, [Some(3), Some(-4), Some(-4), Some(3), Some(-3)]);
        assert_eq!(Op::Divide.apply(1, 0), None);
    }
}
