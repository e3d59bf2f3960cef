//! Sums over the decimal digits of a number: of which digits, their powers, signs, and what becomes
//! of the sum.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Numbers,
};

pub(super) const FAMILY: Family = Family {
    name: "digits",
    description: "add up decimal digits of a number",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("POWER"),
    size: (KEPT.len() * 3 * SIGNS.len() * MODULI.len()) as u32,
    rule,
};

/// Which digits count: an id, the digits, and the words for them.
const KEPT: [(&str, &str, &str); 10] = [
    ("all", "0123456789", "decimal digits of n"),
    ("even", "02468", "even decimal digits of n"),
    ("odd", "13579", "odd decimal digits of n"),
    ("prime", "2357", "decimal digits 2, 3, 5 and 7 of n"),
    ("threes", "369", "decimal digits 3, 6 and 9 of n"),
    ("above-3", "456789", "decimal digits of n above 3"),
    ("above-4", "56789", "decimal digits of n above 4"),
    ("below-5", "01234", "decimal digits of n below 5"),
    ("below-7", "0123456", "decimal digits of n below 7"),
    ("not-9", "012345678", "decimal digits of n other than 9"),
];
const SIGNS: [&str; 3] = ["plus", "first", "last"];
const MODULI: [i64; 5] = [0, 7, 10, 11, 13];

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (name, kept, words) = *index.pick(&KEPT);
    let power = 1 + u32::try_from(index.take(3)).ok()?;
    let sign = *index.pick(&SIGNS);
    let modulus = *index.pick(&MODULI);
    let text = RuleText {
        id: RuleText::id_of(&[
            ("digits", &name, ""),
            ("power", &power, "1"),
            ("sign", &sign, "plus"),
            ("modulus", &modulus, "0"),
        ]),
        signature: "def sum_digits(n: int) -> int".to_owned(),
        task: task(words, power, sign, modulus),
        parameters: vec![
            ("DIGITS", Value::str(kept)),
            ("POWER", Value::int(power)),
            ("SIGN", Value::str(sign)),
            ("MODULUS", Value::int(modulus)),
        ],
        lowest_difficulty: 1,
    };
    Some(Rule::new(text, Numbers::LARGE, move |args| {
        let n = args::int(args, 0)?.to_string();
        let digits: Vec<i64> = n
            .chars()
            .filter(|c| kept.contains(*c))
            .map(|c| i64::from(c.to_digit(10).unwrap_or(0)).pow(power))
            .collect();
        let sum = summed(digits, sign);
        Some(Value::int(if modulus == 0 {
            sum
        } else {
            sum.rem_euclid(modulus)
        }))
    }))
}

fn summed(mut digits: Vec<i64>, sign: &str) -> i64 {
    if sign == "last" {
        digits.reverse();
    }
    for (place, digit) in digits.iter_mut().enumerate() {
        if sign != "plus" && place % 2 == 1 {
            *digit = -*digit;
        }
    }
    digits.iter().sum()
}

fn task(words: &str, power: u32, sign: &str, modulus: i64) -> String {
    let raised = ["", "squares of the ", "cubes of the "][power as usize - 1];
    let end = if sign == "last" {
        "last (rightmost)"
    } else {
        "first"
    };
    let (start, sum) = match sign {
        "plus" => (String::new(), format!("the sum of the {raised}{words}")),
        _ => (
            format!(
                "Take the {raised}{words}, from the {end} one on. Add the first of them, \
                 subtract the second, add the third and so on. "
            ),
            "the result".to_owned(),
        ),
    };
    match modulus {
        0 => format!("{start}Return {sum}."),
        m => format!(
            "{start}Return the remainder, 0 to {}, of {sum} when divided by {m}.",
            m - 1
        ),
    }
}
