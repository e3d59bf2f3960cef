//! Linear functions of two numbers, modulo a third.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Joined, Numbers},
};

pub(super) const FAMILY: Family = Family {
    name: "affine",
    description: "compute a linear function of two numbers modulo a third",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("M"),
    size: (FACTORS.len() * FACTORS.len() * ADDED.len() * MODULI.len()) as u32,
    rule,
};

// All below every modulus: else two rules would be the same function.
const FACTORS: [i64; 8] = [2, 3, 4, 5, 6, 7, 8, 9];
const ADDED: [i64; 6] = [0, 1, 3, 5, 7, 10];
const MODULI: [i64; 12] = [11, 12, 13, 15, 17, 19, 20, 23, 29, 31, 37, 41];
/// Numbers grow slowly, so that difficulty is in their digits alone.
const NUMBERS: Numbers = Numbers::growing(1, 40, 3);

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (a, b) = (*index.pick(&FACTORS), *index.pick(&FACTORS));
    let (c, m) = (*index.pick(&ADDED), *index.pick(&MODULI));
    // With equal factors x and y could change places: those functions are another kind.
    if a == b {
        return None;
    }
    let added = if c == 0 {
        String::new()
    } else {
        format!(" plus {c}")
    };
    let text = RuleText {
        id: format!("a={a},b={b},c={c},m={m}"),
        signature: "def combine(x: int, y: int) -> int".to_owned(),
        task: format!(
            "Return the remainder, 0 to {}, of {a} times x plus {b} times y{added} when divided by \
             {m}.",
            m - 1
        ),
        parameters: vec![
            ("A", Value::int(a)),
            ("B", Value::int(b)),
            ("C", Value::int(c)),
            ("M", Value::int(m)),
        ],
        lowest_difficulty: 1,
    };
    let reference = move |args: &[Value]| {
        let (x, y) = (args::int(args, 0)?, args::int(args, 1)?);
        Some(Value::int((a * x + b * y + c).rem_euclid(m)))
    };
    let swapped = move |args: &[Value]| {
        let (x, y) = (args::int(args, 0)?, args::int(args, 1)?);
        Some(Value::int((b * x + a * y + c).rem_euclid(m)))
    };
    let rule = Rule::new(text, Joined(NUMBERS, NUMBERS), reference);
    Some(rule.mistaken_for(swapped))
}
