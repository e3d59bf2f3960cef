//! Check digits such as those of book numbers: weights, their direction, what becomes of the
//! products, and the modulus.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "check_digits",
    description: "compute a check digit of a string of digits",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("M"),
    size: (WEIGHTS.len() * 8 * MODULI.len()) as u32,
    rule,
};

/// Weights that come again and again; none: 1, 2, 3 and so on without end. Strings have even
/// lengths, so that of two weights the other order is the other direction.
// (No two of a pair add up to a modulus: then "right" would be "missing".)
const WEIGHTS: [&[i64]; 11] = [
    &[1, 3],
    &[1, 2],
    &[2, 3],
    &[1, 4],
    &[1, 5],
    &[5, 7],
    &[],
    &[1, 2, 3],
    &[3, 2, 1],
    &[7, 3, 1],
    &[1, 3, 7],
];
const MODULI: [i64; 6] = [7, 9, 10, 11, 13, 17];

/// How a string of digits gets its check digit.
#[derive(Debug, Clone, Copy)]
struct Scheme {
    weights: &'static [i64],
    from_right: bool,
    /// A product of two digits becomes their sum.
    digit_sums: bool,
    modulus: i64,
    /// What is missing to a multiple of the modulus is wanted, and not the remainder.
    missing: bool,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let weights = *index.pick(&WEIGHTS);
    let scheme = Scheme {
        weights,
        from_right: index.take(2) == 1,
        digit_sums: index.take(2) == 1,
        modulus: *index.pick(&MODULI),
        missing: index.take(2) == 1,
    };
    let no_weight = weights.iter().any(|weight| weight % scheme.modulus == 0);
    // Modulo 9 a number is its digit sum; weights without end make products of three digits.
    let no_digit_sums = scheme.digit_sums && (scheme.modulus == 9 || weights.is_empty());
    if no_weight || no_digit_sums {
        return None;
    }
    let text = scheme.text();
    let unweighted = Scheme {
        weights: &[1],
        ..scheme
    };
    let turned = Scheme {
        from_right: !scheme.from_right,
        ..scheme
    };
    let other_result = Scheme {
        missing: !scheme.missing,
        ..scheme
    };
    let digits = Text::of("0123456789").sized(6, 2);
    let rule = Rule::new(text, digits, move |args| scheme.check_digit(args))
        .mistaken_for(move |args| unweighted.check_digit(args))
        .mistaken_for(move |args| turned.check_digit(args))
        .mistaken_for(move |args| other_result.check_digit(args));
    Some(rule)
}

impl Scheme {
    fn check_digit(&self, args: &[Value]) -> Option<Value> {
        let mut digits = Vec::new();
        for c in args::text(args, 0)?.chars() {
            digits.push(i64::from(c.to_digit(10)?));
        }
        if self.from_right {
            digits.reverse();
        }
        let mut sum = 0;
        for (digit, place) in digits.iter().zip(0usize..) {
            let weight = match self.weights {
                [] => i64::try_from(place).ok()? + 1,
                weights => weights[place % weights.len()],
            };
            let product = digit * weight;
            sum += if self.digit_sums {
                product / 10 + product % 10
            } else {
                product
            };
        }
        let sum = if self.missing { -sum } else { sum };
        Some(Value::int(sum.rem_euclid(self.modulus)))
    }

    fn text(&self) -> RuleText {
        let joined = |separator: &str| {
            let weights: Vec<String> = self.weights.iter().map(i64::to_string).collect();
            weights.join(separator)
        };
        let id = match self.weights {
            [] => "places".to_owned(),
            _ => joined("-"),
        };
        let direction = if self.from_right { "right" } else { "left" };
        let products = if self.digit_sums { "digits" } else { "whole" };
        let result = if self.missing { "missing" } else { "remainder" };
        let weights = self.weights.iter().map(|weight| Value::int(*weight));
        RuleText {
            id: RuleText::id_of(&[
                ("weights", &id, ""),
                ("from", &direction, "left"),
                ("products", &products, "whole"),
                ("modulus", &self.modulus, ""),
                ("result", &result, "remainder"),
            ]),
            signature: "def check_digit(s: str) -> int".to_owned(),
            task: self.task(&match self.weights {
                [] => "1, 2, 3, 4".to_owned(),
                _ => format!("{0}, {0}", joined(", ")),
            }),
            parameters: vec![
                ("WEIGHTS", Value::List(weights.collect())),
                ("DIRECTION", Value::str(direction)),
                ("PRODUCTS", Value::str(products)),
                ("M", Value::int(self.modulus)),
                ("RESULT", Value::str(result)),
            ],
            lowest_difficulty: 1,
        }
    }

    fn task(&self, weights: &str) -> String {
        let (m, largest) = (self.modulus, self.modulus - 1);
        let direction = if self.from_right {
            "from the last digit to the first"
        } else {
            "from left to right"
        };
        let sum = if self.digit_sums {
            "Replace each product by the sum of its own digits (14 becomes 1 + 4 = 5), and add \
             them all up."
        } else {
            "Add up the products."
        };
        let result = if self.missing {
            format!(
                "the smallest number, 0 to {largest}, that must be added to this sum to make it \
                 divisible by {m}"
            )
        } else {
            format!("the remainder, 0 to {largest}, of this sum when divided by {m}")
        };
        format!(
            "Multiply the digits of the string s, {direction}, by {weights} and so on. {sum} \
             Return {result}."
        )
    }
}
