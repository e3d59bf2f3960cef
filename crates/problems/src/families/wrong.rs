//! Usual wrong solutions of one-argument functions: the Python, and beside it what it returns. Only
//! cases on which all of a rule's wrong solutions are wrong are drawn.

use groklab_domain::Value;

use crate::family::{Class, Drawn, Solutions};

/// Cases on which every wrong solution of the rule fails.
pub(super) const TELLING: Class = "telling";
/// Cases of any kind (those kept for [`TELLING`] excepted).
pub(super) const FREE: Class = "free";

/// One usual wrong solution of a function of an `A`.
pub(super) struct Wrong<A: ?Sized> {
    pub name: &'static str,
    pub python: &'static str,
    /// What the Python returns.
    pub value: fn(&A) -> Value,
}

/// The case, if every wrong solution gets it wrong.
pub(super) fn telling<A: ?Sized>(
    arg: Value,
    input: &A,
    expected: Value,
    wrong: &[Wrong<A>],
) -> Option<Drawn> {
    // All of them, in every case: so each fails whatever hidden cases a problem gets.
    let told = wrong.iter().all(|wrong| (wrong.value)(input) != expected);
    told.then(|| Drawn {
        args: vec![arg],
        expected,
    })
}

pub(super) fn solutions<A: ?Sized>(reference: &str, wrong: &[Wrong<A>]) -> Solutions {
    Solutions {
        reference: reference.to_owned(),
        wrong: wrong
            .iter()
            .map(|wrong| (wrong.name, wrong.python.to_owned()))
            .collect(),
    }
}

/// The numbers that difficulty `d` asks about in number families: from `1000 · 4^(d−1)` (10 for the
/// lowest) up to `1000 · 4^d`.
pub(super) fn number_range(difficulty: u8) -> std::ops::Range<u64> {
    let bound = |d: u8| 1000 << (2 * u32::from(d));
    // Where the last difficulty ends: no number is asked about at two of them.
    let low = if difficulty <= 1 {
        10
    } else {
        bound(difficulty - 1)
    };
    low..bound(difficulty)
}
