//! The expressions, and their values.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    index::Index,
    inputs::{Class, Inputs},
    shapes::expression::{self, Op},
};

/// Numbers with operators between them.
pub struct Expressions {
    pub operators: Vec<Op>,
    /// This one is in every expression.
    pub special: Option<Op>,
}

impl Inputs for Expressions {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        expression::flat_size(difficulty, &self.operators)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let (numbers, ops) = expression::flat(difficulty, &self.operators, index);
        if self.special.is_some_and(|special| !ops.contains(&special)) {
            return None;
        }
        let mut text = numbers[0].to_string();
        for (op, number) in ops.iter().zip(&numbers[1..]) {
            text += &format!(" {} {number}", op.token());
        }
        Some(vec![Value::Str(text)])
    }
}

/// The expression's value; `None` where it is none of these operators, or has no value within 127
/// bits.
pub fn evaluate(expression: &str, levels: &[Vec<Op>], right: bool) -> Option<i128> {
    let (mut numbers, mut ops) = (Vec::new(), Vec::new());
    for (place, token) in expression.split(' ').enumerate() {
        if place % 2 == 0 {
            numbers.push(token.parse().ok()?);
        } else {
            let mut known = levels.iter().flatten();
            ops.push(*known.find(|op| op.token() == token)?);
        }
    }
    for level in levels {
        apply(level, right, &mut numbers, &mut ops)?;
    }
    numbers.first().copied()
}

/// Applies the operators of one level.
fn apply(level: &[Op], right: bool, numbers: &mut Vec<i128>, ops: &mut Vec<Op>) -> Option<()> {
    loop {
        let place = if right {
            ops.iter().rposition(|op| level.contains(op))
        } else {
            ops.iter().position(|op| level.contains(op))
        };
        let Some(place) = place else {
            return Some(());
        };
        let second = numbers.remove(place + 1);
        numbers[place] = ops.remove(place).apply(numbers[place], second)?;
    }
}
